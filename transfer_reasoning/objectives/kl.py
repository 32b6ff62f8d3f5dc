"""Estimates of KL(policy || reference) from the log-probability of drawn tokens.

With d = log reference - log policy of a token drawn from the policy (J. Schulman,
"Approximating KL Divergence", 2020; names as in verl and TRL):

    k1 = -d                unbiased value; its gradient as a loss is zero on average
    k2 = d^2 / 2           biased value, right gradient
    k3 = exp(d) - d - 1    unbiased value, never negative, low variance (GRPO's choice)

d is clipped to +-20 before the exponential.
"""

import jax
import jax.numpy as jnp

LARGEST_LOG_RATIO = 20.0


def k1(logprob: jax.Array, reference_logprob: jax.Array) -> jax.Array:
    """log policy - log reference."""
    return logprob - reference_logprob


def k2(logprob: jax.Array, reference_logprob: jax.Array) -> jax.Array:
    """Half the squared log-ratio."""
    return 0.5 * jnp.square(reference_logprob - logprob)


def k3(logprob: jax.Array, reference_logprob: jax.Array) -> jax.Array:
    """ratio - log ratio - 1 with ratio = reference / policy."""
    difference = jnp.clip(
        reference_logprob - logprob, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO
    )
    return jnp.exp(difference) - difference - 1.0


ESTIMATORS = {"k1": k1, "k2": k2, "k3": k3}
