"""Weights for what another policy drew: rho = pi_old / pi_sampler, without gradient.

The sampler may run in other numerics, or be a teacher: then this is supervised
fine-tuning with importance weights. Names as in TRL:

    token_truncate      min(rho, largest), and at least `smallest`
    token_mask          rho, or 0 outside [smallest, largest] (IcePop)
    sequence_truncate, sequence_mask   the same with the product over the response

A token whose sampler log-probability is not known (nan) has rho 1. The logarithm is
bounded by +-20 before the exponential.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from transfer_reasoning.objectives.kl import LARGEST_LOG_RATIO
from transfer_reasoning.objectives.segments import response_sum

# (log rho_BT, segments_BT) -> weights, and the tokens that are cut or masked.
Correction = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def none(log_rho_BT: jax.Array, segments_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
    """1 everywhere."""
    return jnp.ones_like(log_rho_BT), jnp.zeros_like(log_rho_BT, bool)


def weigh(
    *, over: Callable, bound: Callable, smallest: float, largest: float
) -> Correction:
    """A correction of two parts: over what rho is taken, and what bounds it."""

    def correction(log_rho_BT, segments_BT):
        known_BT = jnp.where(jnp.isnan(log_rho_BT), 0.0, log_rho_BT)
        whole_BT = over(jax.lax.stop_gradient(known_BT), segments_BT)
        rho_BT = jnp.exp(jnp.clip(whole_BT, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))
        outside_BT = (rho_BT < smallest) | (rho_BT > largest)
        return bound(rho_BT, outside_BT, smallest, largest), outside_BT

    return correction


def _token(log_rho_BT, segments_BT):
    return log_rho_BT


def _truncate(rho_BT, outside_BT, smallest, largest):
    return jnp.clip(rho_BT, smallest, largest)


def _mask(rho_BT, outside_BT, smallest, largest):
    return jnp.where(outside_BT, 0.0, rho_BT)


PARTS = {
    "token_truncate": (_token, _truncate),
    "token_mask": (_token, _mask),
    "sequence_truncate": (response_sum, _truncate),
    "sequence_mask": (response_sum, _mask),
}
CORRECTIONS = ("none", *PARTS)


def make_correction(name: str, *, smallest: float, largest: float) -> Correction:
    """The correction of that name, one of `CORRECTIONS`."""
    if name == "none":
        return none
    over, bound = PARTS[name]
    return weigh(over=over, bound=bound, smallest=smallest, largest=largest)
