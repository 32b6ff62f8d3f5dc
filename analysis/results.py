"""A study's working directory as values: what each stage wrote, checked while read."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.names import by_rate
from transfer_reasoning.evaluation.scores import item_percents
from transfer_reasoning.runtime.records import read_json, read_jsonl
from transfer_reasoning.types import InputError

BASE = "base"
SHORT = {"math": "math", "other_reasoning": "other", "non_reasoning": "non"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One model of one seed.

    Attributes:
        scores: by benchmark: mean, interval, n and failure shares, in percent.
        items: by benchmark: percent right of each item, by item id.
        probe: by benchmark, against the base; empty for the base.
        curve: rows of the training log.
        digests: config digest of each stage.
        times: wall seconds of each stage.
    """

    scores: Mapping[str, Mapping[str, float]]
    items: Mapping[str, Mapping[str, float]]
    probe: Mapping[str, Mapping[str, Any]]
    curve: list[dict[str, Any]]
    config: Mapping[str, Any]
    digests: Mapping[str, str]
    times: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Study:
    """All runs: `seeds[seed][name]`, and the benchmarks of each group."""

    config: Mapping[str, Any]
    groups: Mapping[str, list[str]]
    seeds: Mapping[int, Mapping[str, Run]]
    marks: Mapping[str, Mapping[str, Any]]

    @property
    def names(self) -> list[str]:
        """Every model but the base, settings first, in the order of the paper."""
        first = next(iter(self.seeds.values()))
        order = [*self.config["settings"], *self.config["controls"]]
        return [*order, *sorted(first.keys() - {BASE, *order}, key=by_rate)]

    def of_seed(self, seed: int) -> "Study":
        """This study with one of its seeds alone."""
        return dataclasses.replace(self, seeds={seed: self.seeds[seed]})


def load_study(workdir: Path) -> Study:
    """Read everything `launch.study` left in `workdir`.

    Raises:
        InputError: it is no finished study; names what is missing.
    """
    homes = sorted(workdir.glob("seed_*"), key=lambda p: int(p.name.split("_")[1]))
    if not homes:
        raise InputError(
            f"{workdir} has no seed_* folders; expected the workdir of launch.study"
        )
    config = read_json(workdir / "config.json")
    expected = {BASE, *config["settings"], *config["controls"]}
    unfinished = {home: sorted(expected - _finished(home)) for home in homes}
    homes = [home for home in homes if not unfinished[home]]
    if not homes:
        home, names = next(iter(unfinished.items()))
        raise InputError(
            f"{home} has no finished {names[0]}; expected a finished study: give the"
            " command of launch.study again"
        )
    # A sweep, or a seed, that was begun and given up later is no part of the study.
    names = sorted(set.intersection(*map(_finished, homes)))
    seeds, marks = {}, {}
    for home in homes:
        runs = {name: _load_run(home / name) for name in names}
        seeds[int(home.name.split("_")[1])] = runs
        for done in sorted(home.glob("**/done.json")):
            marks[str(done.parent.relative_to(workdir))] = read_json(done)
    config = read_json(workdir / "config.json")
    groups = read_json(homes[0] / BASE / "evaluate" / "scores.json")["groups"]
    by_group = {group: [n for n, g in groups.items() if g == group] for group in SHORT}
    return Study(config, by_group, seeds, marks)


def _finished(home: Path) -> set[str]:
    """Models of a seed that are evaluated and, but for the base, probed."""
    evaluated, probed = (
        {mark.parent.parent.name for mark in home.glob(f"*/{stage}/done.json")}
        for stage in ("evaluate", "probe")
    )
    return evaluated & (probed | {BASE})


def _load_run(folder: Path) -> Run:
    evaluated, trained = folder / "evaluate", folder / "train"
    scores = read_json(evaluated / "scores.json")["scores"]
    items = {
        name: item_percents(read_jsonl(evaluated / "records" / f"{name}.jsonl"))
        for name in scores
    }
    probe = folder / "probe" / "probe.json"
    stages = [stage for stage in (trained, evaluated, probe.parent) if stage.is_dir()]
    marks = {stage.name: read_json(stage / "done.json") for stage in stages}
    log = trained / "metrics.jsonl"
    return Run(
        scores=scores,
        items=items,
        probe=read_json(probe)["benchmarks"] if probe.is_file() else {},
        curve=[json.loads(line) for line in log.read_text().splitlines()],
        config=read_json(trained / "config.json"),
        digests={name: mark["config_digest"] for name, mark in marks.items()},
        times={name: mark["wall_s"] for name, mark in marks.items()},
    )
