"""What is made of rows one at a time, when it is asked for.

A source of the training loop asks for the items of a step by number, so a data set of
any size costs nothing at the start and an item costs the same at every step.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lazy(Sequence[Item], Generic[Item]):
    """`make(number)` for every number below `size`; the last `keep` are kept."""

    def __init__(self, size: int, make: Callable[[int], Item], *, keep: int = 0):
        self._size = size
        self._make = functools.lru_cache(maxsize=keep)(make)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, number: int) -> Item:
        if not 0 <= number < self._size:
            raise IndexError(number)
        return self._make(number)
