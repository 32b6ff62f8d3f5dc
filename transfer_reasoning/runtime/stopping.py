"""A run that is asked to end: by SIGTERM, as schedulers do it, or by Ctrl-C.

The first signal is a wish. Who has something to save asks for it (`check`) wherever
what is under way can be given up; elsewhere it ends the run where it is. The second
signal has the effect it always has, at once: what was saved is whole.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from transfer_reasoning.types import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether the run has been asked to end.

    Attributes:
        signal: the first that came, as its number; 0: none.
    """

    def __init__(self, signals: Sequence[int] = SIGNALS):
        self.signal = 0
        self._signals, self._patient = signals, False
        self._usual: dict[int, Any] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The first signal inside is taken; one that is ignored stays so.

        Raises:
            Stopped: it came where nobody asks for it.
        """
        self._usual = {number: signal.getsignal(number) for number in self._signals}
        for number, usual in self._usual.items():
            if usual is not signal.SIG_IGN:
                signal.signal(number, self._hear)
        try:
            yield
        finally:
            self._as_usual()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """What is inside calls `check`, and is not disturbed elsewhere."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def check(self) -> None:
        """Nothing, if the run is to go on.

        Raises:
            Stopped: it is to end.
        """
        if self.signal:
            raise Stopped(self.signal)

    def _hear(self, number: int, frame: object) -> None:
        self._as_usual()
        self.signal = number
        if not self._patient:
            self.check()

    def _as_usual(self) -> None:
        for number, usual in self._usual.items():
            signal.signal(number, usual)
