"""What the backward pass recomputes of a layer, by name."""

import functools
from collections.abc import Callable

import jax

# Values that a policy may keep: products with weights, and mixed values of attention.
PRODUCT, MIXED = "product", "mixed"
# Kept for the backward pass: everything; of each layer its input and those values; its
# input alone.
REMAT: dict[str, Callable[[Callable], Callable]] = {
    "none": lambda layer: layer,
    "dots": functools.partial(
        jax.checkpoint,
        policy=jax.checkpoint_policies.save_only_these_names(PRODUCT, MIXED),
    ),
    "layer": jax.checkpoint,
}
