"""Random weights for a transformers model: the same with torch and without it."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

# What a layer adds to the residual stream: less than what is there, as in a trained
# model. With 1, four sharp layers amplify rounding beyond what float32 can hold.
ADDED = 0.25


def drawn(
    shapes: Iterable[tuple[str, Sequence[int]]], *, sharpness: float
) -> Iterator[np.ndarray]:
    """Float32 arrays for (name, shape), in order; unit gain, but for what follows.

    `sharpness` multiplies queries and keys, through their norms where there are some.
    """
    shapes = list(shapes)
    normed = any("q_norm" in name for name, _ in shapes)
    sharpened = ("q_norm", "k_norm") if normed else ("q_proj.w", "k_proj.w")
    rng = np.random.default_rng(0)
    for name, shape in shapes:
        value = rng.normal(size=tuple(shape))
        if len(shape) == 2:
            value *= shape[1] ** -0.5
        else:
            value = (1.0 if "norm" in name else 0.0) + 0.1 * value
        if any(part in name for part in sharpened):
            value *= sharpness
        if "o_proj.weight" in name or "down_proj" in name:
            value *= ADDED
        yield value.astype(np.float32)
