"""What people see: lines in a log file; on a terminal a bar with rate and time left."""

import os
import re
import subprocess
import sys

import pytest

CODE = """
import time
from transfer_reasoning.runtime.progress import reporter
shown = reporter()
for done in range(11):
    shown.progress("train", done, 20, "nll [/bold] 1.5")
    time.sleep(0.05)
shown.line("a [red] line [/]")
time.sleep(0.2)
shown.close()
"""


def run(stdout, stderr):
    return subprocess.run(
        [sys.executable, "-c", CODE],
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        check=True,
        timeout=60,
    )


def test_a_log_file_gets_the_lines_and_nothing_else():
    found = run(subprocess.PIPE, subprocess.PIPE)
    assert found.stdout == b"a [red] line [/]\n"
    assert found.stderr == b""


@pytest.fixture(scope="module")
def seen() -> str:
    """What a terminal is sent, without its control sequences."""
    pty = pytest.importorskip("pty", reason="terminals are a Unix thing")
    ours, theirs = pty.openpty()
    run(theirs, theirs)
    os.close(theirs)
    chunks = []
    while True:
        try:
            chunks.append(os.read(ours, 65_536))
        except OSError:  # the end of a terminal
            break
        if not chunks[-1]:
            break
    os.close(ours)
    text = b"".join(chunks).decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_shows_the_rate_and_the_time_left(seen):
    assert "10/20" in seen
    rates = [float(rate) for rate in re.findall(r"([\d.]+)/s", seen)]
    assert 0 < rates[-1] < 25, "at most one report in 0.05 s"
    assert re.search(r"/s 0:0\d left", seen)


def test_notes_and_lines_are_shown_as_they_are(seen):
    assert "nll [/bold] 1.5" in seen
    assert "a [red] line [/]" in seen
