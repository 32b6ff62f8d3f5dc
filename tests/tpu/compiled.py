"""What a compiled program holds and moves, read from its HLO text and its memory."""

import math
import re
from typing import NamedTuple

SHAPE = re.compile(r"\b(pred|[a-z]+\d+[a-z0-9]*)\[([\d,]*)\]")
GATHER = re.compile(r"= (.*?) all-gather(?:-start)?\(")
BITS = re.compile(r"\d+")


class Array(NamedTuple):
    """An array of a program: its element type as HLO writes it, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        bits = BITS.search(self.dtype)
        return math.prod(self.shape) * (int(bits[0]) // 8 if bits else 1)


def arrays(text: str) -> set[Array]:
    """Every array that HLO text speaks of, in fusions too."""
    found = set(SHAPE.findall(text))
    return {Array(d, tuple(map(int, s.split(",")))) for d, s in found if s}


def vocabulary_activations(text: str, *, vocab: int, positions: int) -> set[Array]:
    """Floating-point arrays that hold a number for every position and token.

    `vocab` and `positions` are the smallest share that a device has of either: one
    dimension is that large or larger, and the others together.
    """
    return {
        array
        for array in arrays(text)
        if "f" in array.dtype
        and any(
            n >= vocab and math.prod(array.shape) // n >= positions for n in array.shape
        )
    }


def largest_gather(text: str) -> int:
    """Bytes of the largest result of an all-gather; 0 without any."""
    results = [arrays(types) for types in GATHER.findall(text)]
    return max((a.size for found in results for a in found), default=0)
