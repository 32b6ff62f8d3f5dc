"""Work on as much of an array as there is use for, of a few widths compiled ahead."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp


def window(reach: jax.Array, widths: Sequence[int]) -> jax.Array:
    """Which of the growing `widths` first holds `reach`; the last one does."""
    return jnp.sum(jnp.array([reach > width for width in widths[:-1]], jnp.int32))


def within(number: jax.Array, widths: Sequence[int], function: Callable, *operands):
    """`function(width, *operands)` of the width of that number, a branch for each."""
    branches = [functools.partial(function, width) for width in widths]
    return jax.lax.switch(number, branches, *operands)
