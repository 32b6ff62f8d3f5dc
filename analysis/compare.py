"""Models against their bases, from a table of scores or from evaluated runs."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from analysis.results import SHORT
from transfer_reasoning.evaluation.scores import item_percents
from transfer_reasoning.intervals import nested_interval
from transfer_reasoning.runtime.records import read_json, read_jsonl
from transfer_reasoning.transferability import (
    Groups,
    Scores,
    Value,
    pool_sigma,
    transferability,
)
from transfer_reasoning.types import InputError


class Comparison(NamedTuple):
    """One tuned model: change of each group in points, and the index."""

    gains: Mapping[str, Mapping[str, float]]
    index: Mapping[str, Mapping[str, Value]]


def from_csv(file: Path, group_of: Mapping[str, str]) -> dict[str, Comparison]:
    """Comparisons of every row that names a base.

    Raises:
        InputError: a column is no benchmark, a base is missing, a score is no percent.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist; expected a CSV of scores")
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    scores = {row["model"]: _scores(row, group_of, file) for row in rows}
    pairs = {row["model"]: row["base"] for row in rows if row["base"]}
    for model, base in pairs.items():
        if base not in scores:
            raise InputError(
                f"{file}: model {model!r} names base {base!r}; expected a row of that"
                " name"
            )
    if not pairs:
        raise InputError(f"{file} has no row with a base; expected at least one")
    groups = _groups(next(iter(scores.values())), group_of)
    sigma = pool_sigma([(scores[b], scores[m]) for m, b in pairs.items()], groups)
    return {
        model: Comparison(
            _changes(scores[base], scores[model], groups),
            transferability(scores[base], scores[model], groups, pooled_sigma=sigma),
        )
        for model, base in pairs.items()
    }


def from_runs(base: Path, runs: Sequence[Path]) -> dict[str, Comparison]:
    """Comparisons of evaluated runs with one base, with intervals over items."""
    folders = {"base": base, **{_name(run): run for run in runs}}
    files = {
        name: read_json(folder / "scores.json") for name, folder in folders.items()
    }
    group_of = files["base"]["groups"]
    for name, file in files.items():
        if file["groups"].keys() != group_of.keys():
            raise InputError(
                f"{folders[name]} has other benchmarks than {base}; expected the same"
            )
    means = lambda name: {b: s["mean"] for b, s in files[name]["scores"].items()}
    groups = _groups(means("base"), group_of)
    tuned = [name for name in files if name != "base"]
    sigma = pool_sigma([(means("base"), means(name)) for name in tuned], groups)
    items = {name: _items(folder, group_of) for name, folder in folders.items()}
    return {
        name: Comparison(
            {
                SHORT[group]: _paired(items["base"], items[name], benchmarks)
                for group, benchmarks in groups.items()
            },
            transferability(means("base"), means(name), groups, pooled_sigma=sigma),
        )
        for name in tuned
    }


def _scores(row: Mapping[str, str], group_of: Mapping[str, str], file: Path) -> Scores:
    values = {}
    for column, text in row.items():
        if column in ("model", "base"):
            continue
        if column not in group_of:
            raise InputError(
                f"{file}: column {column!r} is no benchmark; expected model, base and"
                f" some of {', '.join(group_of)}"
            )
        try:
            values[column] = float(text)
        except ValueError as error:
            raise InputError(
                f"{file}: {column} of {row['model']!r} is {text!r}; expected a percent"
            ) from error
    return values


def _groups(scores: Scores, group_of: Mapping[str, str]) -> Groups:
    groups = {group: [b for b in scores if group_of[b] == group] for group in SHORT}
    for group, names in groups.items():
        if not names:
            raise InputError(f"no benchmark of group {group}; expected some of each")
    return groups


def _changes(base: Scores, tuned: Scores, groups: Groups) -> dict:
    return {
        SHORT[group]: {"mean": float(np.mean([tuned[b] - base[b] for b in names]))}
        for group, names in groups.items()
    }


def _items(folder: Path, benchmarks: Mapping[str, str]) -> dict[str, dict[str, float]]:
    return {
        name: item_percents(read_jsonl(folder / "records" / f"{name}.jsonl"))
        for name in benchmarks
    }


def _paired(base: Mapping, tuned: Mapping, benchmarks: Sequence[str]) -> dict:
    changes = [
        [tuned[name][item] - base[name][item] for item in base[name]]
        for name in benchmarks
    ]
    interval = nested_interval([changes])
    return {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high}


def _name(run: Path) -> str:
    """A short name: the folder, or its parent where the folder is a stage."""
    return run.parent.name if run.name == "evaluate" else run.name
