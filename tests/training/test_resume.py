"""A run killed in a save that goes on ends with the bits of an unbroken one."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from transfer_reasoning.runtime.metrics import MEASURED

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 300
SFT = (
    "small/base",
    {
        "model.shape.num_layers": 1,
        "optimizer.num_steps": 60,
        "checkpoint.every_steps": 4,
        "objective.unroll": 1,  # compiles faster
    },
)
RL = (
    "ablation/on_policy_rl",
    {
        "optimizer.num_steps": 6,
        "checkpoint.every_steps": 1,
        "objective.unroll": 1,
        "objective.updates_per_step": 2,
        "source.dynamic_batches": 2,
        # Shorter is better, so that even an untrained policy has something to learn.
        "reward.overlong_buffer": 40,
    },
)


class Study:
    """A smoke-sized suite and the commands of a run on it."""

    def __init__(self, home: pathlib.Path):
        self.home = home
        self.start("suite", "small/suite", {}, "suite").communicate(timeout=PATIENCE_S)
        suite = home / "suite"
        self.data = {
            "small/base": {
                "model.tokenizer": suite / "tokenizer",
                "source.data": suite / "base.parquet",
            },
            "ablation/on_policy_rl": {
                "model.path": home / "small/base" / "model",
                "source.data": suite / "problems.jsonl",
            },
        }

    def start(self, stage, config, overrides, workdir) -> subprocess.Popen:
        """A command of `launch` on one device; the compiled programs are shared."""
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "XLA_FLAGS": "",
            "JAX_COMPILATION_CACHE_DIR": str(self.home / "xla"),
        }
        command = [
            *(sys.executable, "-m", f"launch.{stage}"),
            f"--config=configs/{config}.py:smoke",
            f"--workdir={self.home / workdir}",
            *(f"--config.{key}={value}" for key, value in overrides.items()),
        ]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def train(self, setting, workdir) -> subprocess.Popen:
        """The training command of a setting."""
        config, overrides = setting
        return self.start("train", config, overrides | self.data[config], workdir)

    def finish(self, setting, workdir) -> str:
        """What the command prints, run to its end."""
        process = self.train(setting, workdir)
        printed, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        return printed

    def kill_in_a_save(self, setting, workdir) -> None:
        """SIGKILL while a checkpoint is written, and one before it is whole."""
        process = self.train(setting, workdir)
        folder, deadline = self.home / workdir / "checkpoints", time.monotonic()
        found = lambda pattern: list(folder.glob(pattern))
        while not (found("*/manifest.json") and found("*-tmp")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline + PATIENCE_S
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (self.home / workdir / "model").exists()

    def files(self, workdir) -> dict[str, bytes]:
        """The model a run exported."""
        folder = self.home / workdir / "model"
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    def metrics(self, workdir) -> list[dict]:
        """The log of a run without its times."""
        lines = (self.home / workdir / "metrics.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        return [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A suite and a base model trained on it without a break."""
    study = Study(tmp_path_factory.mktemp("study"))
    study.finish(SFT, SFT[0])
    return study


@pytest.mark.parametrize("setting", [SFT, RL], ids=["supervised", "on_policy"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(study, setting):
    config, overrides = setting
    killed = f"killed/{config}"
    study.finish(setting, config)
    study.kill_in_a_save(setting, killed)
    assert "going on from step" in study.finish(setting, killed)
    assert study.files(killed) == study.files(config)
    rows = study.metrics(killed)
    steps = range(1, overrides["optimizer.num_steps"] + 1)
    assert [row["step"] for row in rows] == list(steps)
    assert rows == study.metrics(config)
    # Training that stood still would be resumed with the same bits too.
    assert all(row["grad_norm"] > 1e-3 for row in rows)


def test_a_finished_run_does_nothing_when_started_again(study):
    def contents():
        files = (study.home / SFT[0]).rglob("*")
        return {f: f.read_bytes() for f in files if f.is_file() and f.name != ".lock"}

    before = contents()
    assert "already done" in study.finish(SFT, SFT[0])
    assert contents() == before
