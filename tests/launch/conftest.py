"""One smoke study that several files look at; it is made when it is first wanted."""

import pathlib
import signal
import threading
from typing import NamedTuple

import pytest

from tests.launch.commands import STUDY, run
from tests.launch.saving import Runs

if threading.current_thread() is threading.main_thread():
    # A shell's background job ignores Ctrl-C, and so would every command started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Finished(NamedTuple):
    """A finished study: where it is and what it printed."""

    workdir: pathlib.Path
    output: str


@pytest.fixture(scope="session")
def smoke_study(tmp_path_factory) -> Finished:
    """`launch.study` at smoke scale, run to its end."""
    workdir = tmp_path_factory.mktemp("studies") / "smoke"
    done = run(*STUDY, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    return Finished(workdir, done.stdout)


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Runs:
    """With a run that nothing befell in `unbroken`."""
    runs = Runs(tmp_path_factory.mktemp("runs"))
    suite = ("launch.suite", "--config=configs/small/suite.py:smoke")
    done = run(*suite, f"--workdir={runs.home / 'suite'}")
    assert done.returncode == 0, done.stderr
    runs.finish(runs.home / "unbroken")
    return runs
