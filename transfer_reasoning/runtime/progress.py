"""What people see while it runs: a bar with rate and time left, or plain lines.

A stage reports `progress(done, total, note)` and `line(text)`. On a terminal that is a
bar and lines above it; elsewhere (a log file, CI) only the lines.
"""

import sys
from typing import Any, Protocol


class Reporter(Protocol):
    """Where a stage reports to."""

    def progress(self, what: str, done: int, total: int, note: str = "") -> None:
        """So much of `what` is done."""

    def line(self, text: str) -> None:
        """A line worth keeping."""

    def close(self) -> None:
        """Nothing more will come."""


class Lines:
    """Plain lines on standard output; no bars."""

    def progress(self, what: str, done: int, total: int, note: str = "") -> None:
        """Bars are for terminals."""

    def line(self, text: str) -> None:
        """Print at once, so that a follower of the log sees it."""
        print(text, flush=True)

    def close(self) -> None:
        """Nothing is held open."""


class Bar:
    """One bar per thing in progress, lines above it."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[note]}", markup=False),
            transient=True,
        )
        self._tasks: dict[str, Any] = {}  # rich's task ids

    def progress(
        self, what: str, done: int, total: int, note: str = "", *, pace: str = ""
    ) -> None:
        """Move the bar of `what`, which appears on its first report.

        `pace` says how it goes where the caller knows better than rate and time left.
        """
        if what not in self._tasks:
            self._progress.start()
            self._tasks[what] = self._progress.add_task(what, pace="", note="")
        number = self._tasks[what]
        task = next(t for t in self._progress.tasks if t.id == number)
        if not pace and task.speed and task.time_remaining is not None:
            pace = f"{task.speed:.1f}/s {time_left(task.time_remaining)}"
        self._progress.update(number, completed=done, total=total, pace=pace, note=note)

    def remove(self, what: str) -> None:
        """Take one bar away."""
        if what in self._tasks:
            self._progress.remove_task(self._tasks.pop(what))

    def line(self, text: str) -> None:
        """Print above the bars."""
        # A terminal breaks long lines itself, and a path stays one word to copy.
        self._progress.console.print(
            text, highlight=False, markup=False, soft_wrap=True
        )

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()


def time_left(seconds: float) -> str:
    """Minutes and seconds, as people read them."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}:{seconds:02d} left"


class Counter:
    """Progress of `what` from counts of what has finished, shown in units of `unit`."""

    def __init__(self, shown: Reporter, what: str, total: int, *, unit: int = 1):
        self._shown, self._what, self._unit = shown, what, unit
        self._total, self._done = total, 0

    def __call__(self, count: int) -> None:
        self._done += count
        done, total = self._done // self._unit, self._total // self._unit
        self._shown.progress(self._what, done, total)


def reporter() -> Reporter:
    """A bar on a terminal, lines elsewhere."""
    return Bar() if sys.stderr.isatty() and sys.stdout.isatty() else Lines()
