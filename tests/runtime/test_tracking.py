"""Tracking: what a real trackio keeps, and trackers that are not there."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

from transfer_reasoning.runtime.tracking import PROJECT, tracking
from transfer_reasoning.types import InputError

SEND = """
from transfer_reasoning.runtime.tracking import tracking
for steps in ([1, 2], [3]):
    with tracking("trackio", name="run", config={"seed": 0}) as track:
        for step in steps:
            track({"step": step, "nll": 1 / step, "reward": None})
"""


def test_trackio_keeps_every_row_of_a_resumed_run_under_one_name(tmp_path):
    pytest.importorskip("trackio")
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", SEND], env=environment, check=True)
    with sqlite3.connect(tmp_path / f"{PROJECT}.db") as database:
        rows = database.execute(
            "select run_name, step, metrics from metrics"
        ).fetchall()
    found = {(run, step): json.loads(metrics) for run, step, metrics in rows}
    assert found == {("run", step): {"nll": 1 / step} for step in (1, 2, 3)}


@pytest.mark.parametrize(
    ("tracker", "reason"), [("tensorboard", "unknown"), ("wandb", "not installed")]
)
def test_a_tracker_that_is_not_there_is_refused(tracker, reason, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with (
        pytest.raises(InputError, match=reason),
        tracking(tracker, name="run", config={}),
    ):
        pass
