"""The one surrogate behind every setting of the study.

    L = - E_x E_{y~q} [ w(x, y) log pi(y | x) ] + beta E_x KL(pi || pi_ref)

(arXiv 2507.00432 v2, section 5). The sampling distribution q is where the batch came
from, the credit w is in it as `advantage_BT`; both are decided before this module.
Written with an importance ratio r = pi / pi_old it serves several updates per batch:

    L = sum over tokens of share * [ rho * bound(r, w) + beta * KL ]

The parts are functions chosen beforehand: the ratio (`ratio`), its bound (`bound`), the
weight rho between sampler and trainer (`correction`), the divergence (`kl`); a token's
share is the batch's `weight_BT` (`data.packing`). With one update the old
log-probability is the new one's value, the ratio is exactly 1 and the gradient is that
of -w log pi: supervised fine-tuning is the case w = 1.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.objectives import kl
from transfer_reasoning.objectives.bound import Bound
from transfer_reasoning.objectives.correction import Correction


class TrainBatch(NamedTuple):
    """Packed rows to train on, all [B, T]; a token is predicted from the one before it.

    tokens, positions, segments: as `model.forward` takes them.
    weight: share of the token in the objective; 0 is not trained on. The weights of all
        microbatches of an update add up to 1 (or to the chosen normalisation), so sums
        over microbatches and devices need no further denominator.
    advantage: credit w of the response the token belongs to.
    sampler_logprob: log-probability under the policy that drew the token; nan where it
        is not known.
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


class Factors(NamedTuple):
    """What entered a batch's loss beside the credit, [B, T]; 0 on masked tokens.

    ratio; corrected: rho was cut or masked; low, high: the bound took effect.
    """

    ratio_BT: jax.Array
    corrected_BT: jax.Array
    low_BT: jax.Array
    high_BT: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surrogate:
    """The parts of the loss; calling it composes them, the only place that does."""

    ratio: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    bound: Bound
    correction: Correction
    divergence: kl.Divergence = kl.none
    kl_weight: float = 0.0

    def __call__(
        self, logprob_BT: jax.Array, exact_kl_BT: jax.Array, batch: TrainBatch
    ) -> tuple[jax.Array, Factors]:
        """The loss, a weighted sum over the tokens as a float32 scalar, and its parts.

        `exact_kl_BT` is only read by the exact divergence. `batch.old_logprob_BT` must
        be set; for a first update it is stop_gradient(logprob_BT).
        """
        trained_BT = batch.weight_BT > 0
        # Masked on the way in too: on the way back, zero times an overflow is nan.
        masked = lambda x_BT: jnp.where(trained_BT, x_BT, 0.0)
        logprob_BT = masked(logprob_BT)
        advantage_BT = masked(batch.advantage_BT)
        ratio_BT = self.ratio(
            masked(logprob_BT - batch.old_logprob_BT), trained_BT, batch.segments_BT
        )
        rho_BT, corrected_BT = self.correction(
            masked(batch.old_logprob_BT - batch.sampler_logprob_BT), batch.segments_BT
        )
        divergence_BT = self.divergence(
            logprob_BT, masked(batch.reference_logprob_BT), masked(exact_kl_BT)
        )
        policy_BT = rho_BT * self.bound.loss(ratio_BT, logprob_BT, advantage_BT)
        loss_BT = policy_BT + self.kl_weight * divergence_BT
        loss = jnp.sum(masked(loss_BT * batch.weight_BT))
        sides = self.bound.clipped(ratio_BT, advantage_BT)
        parts = [ratio_BT, *(x.astype(jnp.float32) for x in (corrected_BT, *sides))]
        return loss, Factors(*[masked(jax.lax.stop_gradient(x)) for x in parts])
