"""The three standard streams, whatever a shell has made of them."""

import os
import sys
from pathlib import Path


def replace_closed() -> None:
    """A stream that was closed from outside reads and writes nothing.

    In this order each takes the lowest free number, its own, so that no file of ours
    gets it and is written over by a library that prints.
    """
    nothing = Path(os.devnull)
    sys.stdin = sys.stdin or nothing.open()
    sys.stdout = sys.stdout or nothing.open("w")
    sys.stderr = sys.stderr or nothing.open("w")
