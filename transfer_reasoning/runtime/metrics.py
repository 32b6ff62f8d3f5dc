"""The log of a training run, and the guard against numbers that are none."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transfer_reasoning.runtime.records import cut_log
from transfer_reasoning.types import InputError


class MetricsLog:
    """Appends one JSON line per step to `file`.

    Metrics arrive as device scalars and are read one step later, when the device is
    busy with the next step, so that logging does not stall it.

    Args:
        file: the log; lines after `last_step` are dropped: they will be logged again.
        show: told each step's row.
        max_bad_steps: so many steps in a row with a gradient that is not finite end
            the run.
    """

    def __init__(
        self,
        file: Path,
        *,
        last_step: int,
        show: Callable[[Mapping[str, Any]], None],
        max_bad_steps: int = 3,
    ):
        cut_log(file, last_step)
        self._stream = file.open("a", encoding="utf-8")
        self._show, self._max_bad_steps = show, max_bad_steps
        self._waiting: dict[str, Any] | None = None
        self._bad_steps = 0

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Take a step's metrics; the previous step's are read and written."""
        self.flush()
        self._waiting = {"step": step, **metrics}

    def flush(self) -> None:
        """Write what is waiting.

        Raises:
            InputError: too many steps in a row were not finite.
        """
        if self._waiting is None:
            return
        row = {key: _number(value) for key, value in self._waiting.items()}
        self._waiting = None
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()
        self._show(row)
        self._bad_steps = self._bad_steps + 1 if row.get("grad_norm", 0) is None else 0
        if self._bad_steps >= self._max_bad_steps:
            raise InputError(
                f"the gradient was not finite for {self._bad_steps} steps up to step"
                f" {row['step']}; these updates were skipped: lower the learning rate,"
                " or resume from an earlier checkpoint"
            )

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.flush()
        self._stream.close()


def _number(value: Any) -> int | float | None:
    """A plain number; None where it is infinite or no number, which JSON cannot say."""
    if isinstance(value, int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
