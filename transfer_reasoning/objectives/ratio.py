"""The importance ratio: how much likelier the policy makes what was drawn.

    token      exp(log ratio of the token), PPO (arXiv 1707.06347)
    sequence   exp(mean log ratio of the response's tokens), GSPO (arXiv 2507.18071)

Each takes log pi_new - log pi_old, which tokens are trained on, and the segments of the
rows; log ratios of other tokens are 0. The logarithm is bounded before the exponential,
by +-20 for a token and by 10 for a sequence, as verl does; beyond it has no gradient.
"""

import jax
import jax.numpy as jnp

from transfer_reasoning.objectives.kl import LARGEST_LOG_RATIO
from transfer_reasoning.objectives.segments import response_sum

LARGEST_SEQUENCE_LOG_RATIO = 10.0


def per_token(
    log_ratio_BT: jax.Array, trained_BT: jax.Array, segments_BT: jax.Array
) -> jax.Array:
    """Each token's own ratio."""
    return jnp.exp(jnp.clip(log_ratio_BT, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))


def per_sequence(
    log_ratio_BT: jax.Array, trained_BT: jax.Array, segments_BT: jax.Array
) -> jax.Array:
    """The response's ratio at every token, with the gradient of the token's own.

    GSPO-token (section 4.3), straight through: the value is that of the sequence, the
    gradient value * d log pi of this token. Where the tokens of a response share one
    advantage, correction and share, their gradients add up to GSPO's.
    """
    count_BT = response_sum(trained_BT.astype(jnp.float32), segments_BT)
    total_BT = response_sum(jax.lax.stop_gradient(log_ratio_BT), segments_BT)
    own_BT = log_ratio_BT - jax.lax.stop_gradient(log_ratio_BT)
    mean_BT = total_BT / jnp.maximum(count_BT, 1.0)
    return jnp.exp(jnp.minimum(mean_BT + own_BT, LARGEST_SEQUENCE_LOG_RATIO))


RATIOS = {"token": per_token, "sequence": per_sequence}
