"""Bounds on the policy term: how far a ratio may carry an update.

With ratio r and credit A of a token (l its log-probability, sg no gradient):

    clip    -min(r A, clip(r, 1 - low, 1 + high) A), PPO (arXiv 1707.06347) with the
            bounds apart as in DAPO (arXiv 2503.14476); where A < 0 no more than
            -dual A, the dual clip (arXiv 1912.09729)
    cispo   -sg(min(r, 1 + high)) A l (arXiv 2506.13585): no token loses its gradient
    sapo    -4 / tau sigmoid(tau (r - 1)) A (arXiv 2511.20347), tau by the sign of A

Each is a `Bound`: the loss, and which tokens the bound takes effect on.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Bound(NamedTuple):
    """A policy term.

    loss: (ratio_BT, logprob_BT, advantage_BT) -> loss_BT.
    clipped: (ratio_BT, advantage_BT) -> the tokens bounded below, and above, as bools.
    """

    loss: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    clipped: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def clip(*, low: float, high: float, dual: float = math.inf) -> Bound:
    """PPO's clipped ratio; `dual` infinite is no dual clip."""

    def loss(ratio_BT, logprob_BT, advantage_BT):
        bounded_BT = jnp.clip(ratio_BT, 1.0 - low, 1.0 + high)
        gain_BT = jnp.minimum(ratio_BT * advantage_BT, bounded_BT * advantage_BT)
        least_BT = jnp.where(advantage_BT < 0, dual * advantage_BT, -jnp.inf)
        return -jnp.maximum(gain_BT, least_BT)

    def clipped(ratio_BT, advantage_BT):
        above_BT = (ratio_BT > 1.0 + high) & (advantage_BT > 0)
        above_BT |= (ratio_BT > dual) & (advantage_BT < 0)
        return (ratio_BT < 1.0 - low) & (advantage_BT < 0), above_BT

    return Bound(loss, clipped)


def cispo(*, high: float) -> Bound:
    """The bounded ratio as a weight of the log-probability."""

    def loss(ratio_BT, logprob_BT, advantage_BT):
        weight_BT = jax.lax.stop_gradient(jnp.minimum(ratio_BT, 1.0 + high))
        return -weight_BT * advantage_BT * logprob_BT

    def clipped(ratio_BT, advantage_BT):
        return jnp.zeros_like(ratio_BT, bool), ratio_BT > 1.0 + high

    return Bound(loss, clipped)


def sapo(*, positive: float, negative: float) -> Bound:
    """A smooth gate around ratio 1; `positive` is the temperature where A > 0."""

    def loss(ratio_BT, logprob_BT, advantage_BT):
        tau_BT = jnp.where(advantage_BT > 0, positive, negative)
        gate_BT = jax.nn.sigmoid(tau_BT * (ratio_BT - 1.0)) * 4.0 / tau_BT
        return -gate_BT * advantage_BT

    def clipped(ratio_BT, advantage_BT):
        nothing_BT = jnp.zeros_like(ratio_BT, bool)
        return nothing_BT, nothing_BT

    return Bound(loss, clipped)
