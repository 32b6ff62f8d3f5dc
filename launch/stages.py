"""What a study consists of: every stage with its config and what it needs.

Paths in the configs are relative to the study's directory, so a study can be moved and
two of them compared.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from ml_collections import ConfigDict

from launch.schedule import Task
from transfer_reasoning.small_suite.tasks import QUESTIONS

# Expected seconds on one core, for the time left.
WEIGHTS = {"suite": 5, "distill": 25, "evaluate": 5, "probe": 10}
TRAIN_WEIGHTS = {"base": 170, "teacher": 60, "on_policy_rl": 35, "off_policy_rl": 12}
TRAIN_WEIGHT = 28
RATE = "optimizer.learning_rate"
Keys = Mapping[str, Any]  # config values by dotted key


def study_tasks(config: ConfigDict) -> list[Task]:
    """All tasks, in an order that respects what needs what."""
    seeds = range(config.first_seed, config.first_seed + config.num_seeds)
    return [task for seed in seeds for task in _Seed(config, seed).tasks()]


class _Seed:
    """The tasks of one seed, under `seed_N/`."""

    def __init__(self, config: ConfigDict, seed: int):
        self.config, self.seed, self.home = config, seed, f"seed_{seed}"
        self.suite, self.distilled = f"{self.home}/suite", f"{self.home}/distill"
        self.problems = f"{self.suite}/problems.jsonl"

    def tasks(self) -> Iterator[Task]:
        """Data and base first, then every way of tuning it."""
        yield self._task(self.suite, "suite", "small.suite", seed=self.seed)
        for name in ("base", "teacher"):
            fresh = {
                "model.tokenizer": f"{self.suite}/tokenizer",
                "source.data": f"{self.suite}/{name}.parquet",
            }
            yield self._train(name, f"small.{name}", [self.suite], fresh)
        yield self._task(
            self.distilled,
            "distill",
            "distill",
            [self._trained("teacher")],
            seed=self.seed,
            problems=self.problems,
            **{"model.path": f"{self._trained('teacher')}/model"},
        )
        yield self._evaluate("base")
        for name, file, overrides in self._tunings():
            yield from self._tuned(name, file, overrides)

    def _tunings(self) -> Iterator[tuple[str, str, Keys]]:
        """(name, config file, overrides) of the settings, controls and sweep."""
        for name in self.config.settings:
            yield name, f"ablation.{name}", {}
        for name in self.config.controls:
            yield name, f"small.{name}", {}
        if not self.config.sweep:
            return
        for name, rate in product(self.config.sweep_settings, self.config.sweep_rates):
            if rate != _config(f"ablation.{name}", self.config.scale)[RATE]:
                yield f"{name}_lr_{rate:g}", f"ablation.{name}", {RATE: rate}

    def _tuned(self, name: str, file: str, overrides: Keys) -> Iterator[Task]:
        """Training from the base, evaluation, and the probe against the base."""
        data = {
            "off_policy_sft": f"{self.distilled}/responses.jsonl",
            "off_policy_rl": f"{self.distilled}/rollouts.jsonl",
            "own_style_sft": f"{self.suite}/own_style.jsonl",
        }.get(file.split(".")[-1], self.problems)
        needs = [self._trained("base")]
        if data.startswith(self.distilled):
            needs.append(self.distilled)
        start = {"model.path": f"{self._trained('base')}/model", "source.data": data}
        yield self._train(name, file, needs, {**start, **overrides})
        yield self._evaluate(name)
        yield self._task(
            f"{self.home}/{name}/probe",
            "probe",
            "probe",
            [self._evaluated(name), self._evaluated("base")],
            base=f"{self._trained('base')}/model",
            base_records=self._evaluated("base"),
            tuned=f"{self._trained(name)}/model",
            tuned_records=self._evaluated(name),
        )

    def _train(self, name: str, file: str, needs: Sequence[str], fresh: Keys) -> Task:
        fresh = {"seed": self.seed, "log.tensorboard": False, **fresh}
        return self._task(self._trained(name), "train", file, needs, **fresh)

    def _evaluate(self, name: str) -> Task:
        return self._task(
            self._evaluated(name),
            "evaluate",
            "evaluate",
            [self._trained(name)],
            split=self.config.split,
            data_dir=f"{self.suite}/questions/{QUESTIONS}",
            **{"model.path": f"{self._trained(name)}/model"},
        )

    def _trained(self, name: str) -> str:
        return f"{self.home}/{name}/train"

    def _evaluated(self, name: str) -> str:
        return f"{self.home}/{name}/evaluate"

    def _task(
        self, name: str, stage: str, file: str, needs: Sequence[str] = (), **overrides
    ) -> Task:
        """A task whose config is a file's, with overrides by dotted key."""
        config = _config(file, self.config.scale)
        config.update_from_flattened_dict(overrides)
        model = name.split("/")[1]
        weight = WEIGHTS.get(stage) or TRAIN_WEIGHTS.get(model, TRAIN_WEIGHT)
        return Task(name=name, stage=stage, config=config, needs=needs, weight=weight)


def _config(file: str, scale: str) -> ConfigDict:
    return importlib.import_module(f"configs.{file}").get_config(scale)
