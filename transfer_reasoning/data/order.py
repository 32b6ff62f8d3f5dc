"""Which items a step sees: a pure function of (seed, step, index).

No iterator, no cursor: step k can be asked for without having seen step k - 1, on any
number of hosts, so resuming needs no state and cannot repeat or lose an item.
"""

import functools

import numpy as np


def step_indices(*, seed: int, step: int, count: int, size: int) -> list[int]:
    """The `count` items of a step out of `size`; every epoch is a fresh permutation."""
    first = step * count
    return [
        int(_permutation(seed, position // size, size)[position % size])
        for position in range(first, first + count)
    ]


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(size)
