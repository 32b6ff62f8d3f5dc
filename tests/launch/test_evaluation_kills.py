"""An evaluation killed at random and resumed has the records of an unbroken one.

    make evaluation-campaign    [EVALUATION_KILLS=10] [EVALUATION_SEED=0]

Killed when so many records are there, and a little later, with everything it started.
"""

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.launch.commands import (
    kill_once,
    run,
    start,
    wait_for,
)

ITEMS, SAMPLES, TOKENS = 40, 2, 200
LATER_S = 0.3
KILLS = int(os.environ.get("EVALUATION_KILLS", "10"))
SEED = int(os.environ.get("EVALUATION_SEED", "0"))
NAME = "math500"


@pytest.fixture(scope="module")
def evaluation(made_folders, tmp_path_factory):
    """The command but for its workdir, and the workdir of an unbroken run."""
    home = tmp_path_factory.mktemp("evaluation")
    file = home / "data" / NAME / f"{NAME}.jsonl"
    file.parent.mkdir(parents=True)
    problem = lambda number: f"what is {'1 + ' * (number % 23)}{number}"
    rows = [{"problem": problem(n), "answer": str(n)} for n in range(ITEMS)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = (
        *("launch.evaluate", "--config=configs/evaluate.py"),
        f"--config.benchmarks={NAME}",
        f"--config.model.path={made_folders / 'whole'}",
        f"--config.data_dir={home / 'data'}",
        f"--config.samples={SAMPLES}",
        f"--config.max_tokens={TOKENS}",
        "--config.sampler.slots=8",
    )
    done = run(*command, f"--workdir={home / 'unbroken'}")
    assert done.returncode == 0, done.stderr
    return command, home / "unbroken"


def records_of(workdir: Path) -> bytes:
    return (workdir / "records" / f"{NAME}.jsonl").read_bytes()


def kept(workdir: Path) -> int:
    """Records that are on the disk."""
    files = [
        workdir / "records" / f"{NAME}{end}" for end in (".jsonl", ".partial.jsonl")
    ]
    return sum(f.read_bytes().count(b"\n") for f in files if f.is_file())


def assert_finishes_the_same(evaluation, workdir: Path) -> None:
    command, unbroken = evaluation
    done = run(*command, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert records_of(workdir) == records_of(unbroken)
    assert not list((workdir / "records").glob("*partial*"))
    scores = [(w / "scores.json").read_bytes() for w in (workdir, unbroken)]
    assert scores[0] == scores[1]


def kill_and_resume(evaluation, home: Path, kills: int, seed: int) -> None:
    """In one workdir until all records are there; then the next one is begun."""
    rng, number = random.Random(seed), 0
    for _ in range(kills):
        workdir = home / str(number)
        process = start(*evaluation[0], f"--workdir={workdir}")
        least = min(kept(workdir) + rng.randrange(1, 20), ITEMS * SAMPLES - 1)

        def ready(least=least, here=workdir, process=process) -> None:
            wait_for(lambda: kept(here) >= least, process)
            time.sleep(rng.uniform(0, LATER_S))

        kill_once(process, ready)
        print(f"killed with {kept(workdir)} records on the disk")
        if (workdir / "records" / f"{NAME}.jsonl").is_file():
            assert_finishes_the_same(evaluation, workdir)
            number += 1
    assert_finishes_the_same(evaluation, home / str(number))


def test_an_evaluation_killed_and_resumed_has_the_same_records(evaluation, tmp_path):
    kill_and_resume(evaluation, tmp_path, kills=2, seed=1)


def test_no_item_is_there_twice(evaluation):
    rows = [json.loads(line) for line in records_of(evaluation[1]).splitlines()]
    keys = [(row["id"], row["sample"]) for row in rows]
    assert keys == [(str(n), s) for n in range(ITEMS) for s in range(SAMPLES)]


@pytest.mark.campaign
def test_an_evaluation_killed_many_times_has_the_same_records(evaluation, tmp_path):
    kill_and_resume(evaluation, tmp_path, kills=KILLS, seed=SEED)
