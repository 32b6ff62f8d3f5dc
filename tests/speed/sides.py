"""Processes that take turns at the same work; what their times are to each other."""

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.launch.commands import ROOT, environment

CORE = os.environ.get("SPEED_CORE", "0")
PREFIX = shlex.split(os.environ.get("SPEED_PREFIX", ""))
BENCH = Path(os.environ.get("SPEED_BENCH", ROOT.parent / "shared" / "bench"))
OURS = "ours"
MANY = ("--repeats", "500")  # a script ends by itself after so many


class Contest(NamedTuple):
    """A row of the table: our flags, and a peer's script with its flags.

    Attributes:
        floor, goal: how many times the peer's processor seconds ours are to have.
        apart: the two do not fit into memory together: each turn is a process's own.
    """

    name: str
    ours: tuple[str, ...]
    peer: str
    script: Path
    arguments: tuple[str, ...]
    floor: float
    goal: float
    apart: bool = False


class Side:
    """A process that compiles, warms up, and then waits for its turns."""

    def __init__(self, words: Sequence[str]):
        pinned = [taskset, "-c", CORE] if (taskset := shutil.which("taskset")) else []
        self.process = subprocess.Popen(
            [*PREFIX, *pinned, *words],
            cwd=ROOT,
            # As a user starts it: our command settles its memory by itself.
            env=environment(
                BENCH_THREADS="1", SPEED_BENCH=str(BENCH), GLIBC_TUNABLES=None
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._line('{"ready"')["ready"]

    def turn(self) -> float:
        """Processor seconds of one more step."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self._line('{"s"')["cpu_s"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=120)

    def _line(self, start: str) -> dict:
        for line in self.process.stdout:
            if line.startswith(start):
                return json.loads(line)
        raise AssertionError(f"{self.process.args} ended with {self.process.wait()}")


def commands(contest: Contest, python: str) -> dict[str, list[str]]:
    """Of both sides."""
    ours = [sys.executable, "-m", "launch.speed", "--turns", *contest.ours]
    driver = str(Path(__file__).with_name("peer.py"))
    theirs = [python, driver, str(contest.script), *contest.arguments, *MANY]
    return {OURS: ours, contest.peer: theirs}


def compete(contest: Contest, python: str, rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each side's turns, in the order of the rounds."""
    words = commands(contest, python)
    seconds: dict[str, list[float]] = {name: [] for name in words}
    sides: dict[str, Side] = {}
    try:
        if not contest.apart:
            sides = {name: Side(line) for name, line in words.items()}
        for _ in range(rounds):
            for name, line in words.items():
                side = sides.get(name) or Side(line)
                seconds[name].append(side.turn())
                if contest.apart:
                    side.close()
    finally:
        for side in sides.values():
            side.close()
    return seconds


def ratios(contest: Contest, seconds: dict[str, list[float]]) -> list[float]:
    """The peer's seconds over ours, round by round."""
    pairs = zip(seconds[contest.peer], seconds[OURS], strict=True)
    return [theirs / ours for theirs, ours in pairs]


def table(found: Iterable[tuple[Contest, dict[str, list[float]]]]) -> str:
    """Medians, and the least and the largest ratio of the rounds."""
    lines = [
        f"{'work':24s} {'peer':14s} {'ours s':>8s} {'peer s':>8s} {'ratio':>6s}"
        f" {'least':>6s} {'most':>6s} {'floor':>6s} {'goal':>6s}  rounds"
    ]
    for contest, seconds in found:
        each = ratios(contest, seconds)
        ours, theirs = (
            statistics.median(seconds[name]) for name in (OURS, contest.peer)
        )
        lines.append(
            f"{contest.name:24s} {contest.peer:14s} {ours:8.3f} {theirs:8.3f}"
            f" {statistics.median(each):6.2f} {min(each):6.2f} {max(each):6.2f}"
            f" {contest.floor:6.2f} {contest.goal:6.2f}  {len(each)}"
        )
    return "\n".join(lines)
