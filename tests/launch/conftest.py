"""One smoke study that several files look at; it is made when it is first wanted."""

import pathlib
import signal
import threading
from typing import NamedTuple

import pytest

from tests.launch.commands import STUDY, run

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
