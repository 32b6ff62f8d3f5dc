"""The one surrogate behind every setting of the study.

    L = - E_x E_{y~q} [ w(x, y) log pi(y | x) ] + beta E_x KL(pi || pi_ref)

(arXiv 2507.00432 v2, section 5). The sampling distribution q is where the batch came
from, the credit w is in it as `advantage_BT`; both are decided before this module.
Written as a clipped importance ratio (PPO, arXiv 1707.06347; asymmetric bounds as in
DAPO, arXiv 2503.14476) it serves several updates per batch too. With one update the old
log-probability is the new one's value, the ratio is exactly 1 and the gradient is that
of -w log pi: supervised fine-tuning is the case w = 1.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.objectives.kl import LARGEST_LOG_RATIO

Estimator = Callable[[jax.Array, jax.Array], jax.Array]


class TrainBatch(NamedTuple):
    """Packed rows to train on, all [B, T]; a token is predicted from the one before it.

    tokens, positions, segments: as `model.forward` takes them.
    weight: share of the token in the objective; 0 is not trained on. The weights of all
        microbatches of an update add up to 1 (or to the chosen normalisation), so sums
        over microbatches and devices need no further denominator.
    advantage: credit w of the response the token belongs to.
    sampler_logprob: log-probability under the policy that drew the token.
    old_logprob, reference_logprob: under the policy before this step's first update and
        under the KL reference; only read where an objective asks for them.
    """

    tokens_BT: jax.Array
    positions_BT: jax.Array
    segments_BT: jax.Array
    weight_BT: jax.Array
    advantage_BT: jax.Array
    sampler_logprob_BT: jax.Array
    old_logprob_BT: jax.Array
    reference_logprob_BT: jax.Array


def policy_loss(
    logprob_BT: jax.Array,
    old_logprob_BT: jax.Array,
    advantage_BT: jax.Array,
    *,
    clip_low: float,
    clip_high: float,
) -> jax.Array:
    """-min(r w, clip(r, 1 - clip_low, 1 + clip_high) w) with r = exp(new - old).

    new - old is clipped to +-20 before the exponential.
    """
    log_ratio_BT = logprob_BT - old_logprob_BT
    ratio_BT = jnp.exp(jnp.clip(log_ratio_BT, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))
    clipped_BT = jnp.clip(ratio_BT, 1.0 - clip_low, 1.0 + clip_high)
    return -jnp.minimum(ratio_BT * advantage_BT, clipped_BT * advantage_BT)


def surrogate(
    logprob_BT: jax.Array,
    batch: TrainBatch,
    *,
    clip_low: float,
    clip_high: float,
    kl_weight: float,
    kl_estimator: Estimator,
) -> jax.Array:
    """The loss of a batch: a weighted sum over its tokens, a float32 scalar.

    `batch.old_logprob_BT` must be set; for a first update it is
    stop_gradient(logprob_BT). `batch.reference_logprob_BT` is read if `kl_weight` is
    not 0.
    """
    trained_BT = batch.weight_BT > 0
    # Masked on the way in too: on the way back, zero times an overflow is nan.
    logprob_BT = jnp.where(trained_BT, logprob_BT, 0.0)
    loss_BT = policy_loss(
        logprob_BT,
        batch.old_logprob_BT,
        batch.advantage_BT,
        clip_low=clip_low,
        clip_high=clip_high,
    )
    if kl_weight:
        loss_BT += kl_weight * kl_estimator(logprob_BT, batch.reference_logprob_BT)
    return jnp.sum(jnp.where(trained_BT, loss_BT * batch.weight_BT, 0.0))
