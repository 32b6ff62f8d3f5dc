"""A study killed at random and rerun until it ends is the study that was never killed.

    make kill-campaign    [KILL_SCALE=small] [KILL_ROUNDS=3] [KILL_SEED=0]

Each round kills everything at once, three times, at moments spread over the study: when
so many tasks are done, and a little later. The summary must be the same but for times,
and so must the weights of every model, bit for bit.
"""

import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.launch.commands import kill_once, run, start

SCALE = os.environ.get("KILL_SCALE", "smoke")
ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
SEED = int(os.environ.get("KILL_SEED", "0"))
KILLS, TASKS = 3, 23
LATER_S = {"smoke": 2.0, "small": 20.0}[SCALE]  # about the length of a task
LIMIT_S = {"smoke": 600, "small": 3_600}[SCALE]
STUDY = ("launch.study", f"--config=configs/study.py:{SCALE}")

pytestmark = pytest.mark.campaign


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("unbroken") / "study"
    done = run(*STUDY, f"--workdir={workdir}", timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return workdir


def summary_of(workdir: Path) -> dict[str, Any]:
    """The summary without what only a clock decides."""
    summary = json.loads((workdir / "summary.json").read_text())
    del summary["times"]
    return summary


def weights_of(workdir: Path) -> dict[str, bytes]:
    files = workdir.glob("seed_*/*/train/model/*.safetensors")
    return {str(file.relative_to(workdir)): file.read_bytes() for file in files}


def tasks_done(workdir: Path) -> int:
    """By their marks; not by a walk through folders that come and go meanwhile."""
    marks = ("seed_*/*/done.json", "seed_*/*/*/done.json")
    return sum(len(list(workdir.glob(mark))) for mark in marks)


def wait_for_tasks(count: int, workdir: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + LIMIT_S
    while tasks_done(workdir) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", range(SEED, SEED + ROUNDS))
def test_a_study_killed_three_times_ends_with_the_same_bits(number, unbroken, tmp_path):
    rng, workdir = random.Random(number), tmp_path / "study"
    study = (*STUDY, f"--workdir={workdir}")
    for moment in sorted(rng.sample(range(TASKS - 3), KILLS)):
        process = start(*study)

        def ready(moment=moment, process=process) -> None:
            wait_for_tasks(moment, workdir, process)
            time.sleep(rng.uniform(0, LATER_S))
            assert process.poll() is None, "the study ended before it was killed"

        family = kill_once(process, ready)
        at = tasks_done(workdir)
        print(f"round {number}: killed {len(family)} processes, {at} tasks done")
    done = run(*study, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert weights_of(workdir) == weights_of(unbroken)
    assert len(weights_of(workdir)) == 8
    assert summary_of(workdir) == summary_of(unbroken)
