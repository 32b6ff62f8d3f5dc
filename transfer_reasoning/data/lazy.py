"""What is made of rows when it is asked for.

A source of the training loop asks for the items of a step by number, so a data set of
any size costs nothing at the start and an item costs the same at every step.
"""

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Lazy(Sequence[Item]):
    """`make(numbers)` for any numbers below `size`, a list of one item for each.

    Of items that were asked for alone the last `keep` are kept.
    """

    def __init__(
        self,
        size: int,
        make: Callable[[Sequence[int]], list[Item]],
        *,
        keep: int = 0,
    ):
        self._size, self._make = size, make
        self._one = functools.lru_cache(maxsize=keep)(lambda number: make([number])[0])

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, number: int) -> Item:
        if not 0 <= number < self._size:
            raise IndexError(number)
        return self._one(number)

    def take(self, numbers: Sequence[int]) -> list[Item]:
        """Many items at once: a tokenizer spreads them over the cores."""
        return self._make(numbers)


def take(items: Sequence[Item], numbers: Sequence[int]) -> list[Item]:
    """Items by number, from a list or from what makes them."""
    if isinstance(items, Lazy):
        return items.take(numbers)
    return [items[number] for number in numbers]
