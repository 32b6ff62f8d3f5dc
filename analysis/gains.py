"""Changes against the base, paired by item, with intervals over items and seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.results import BASE, SHORT, Run, Study
from transfer_reasoning.intervals import RESAMPLES, Interval, nested_interval, resample
from transfer_reasoning.transferability import (
    FORMS,
    OTHERS,
    Scores,
    Value,
    pool_sigma,
    transferability,
)


def gain(study: Study, name: str, benchmarks: Sequence[str]) -> Interval:
    """Mean change of `name` over the base on these benchmarks, in points."""
    return nested_interval(
        [
            [_paired(runs[BASE], runs[name], benchmark) for benchmark in benchmarks]
            for runs in study.seeds.values()
        ]
    )


def difference(
    study: Study, first: str, second: str, benchmarks: Sequence[str]
) -> Interval:
    """Mean score of `first` minus that of `second`, in points, paired by item."""
    return nested_interval(
        [
            [_paired(runs[second], runs[first], benchmark) for benchmark in benchmarks]
            for runs in study.seeds.values()
        ]
    )


def score(study: Study, name: str, benchmarks: Sequence[str]) -> Interval:
    """Mean score of `name`, in percent."""
    return nested_interval(
        [
            [list(runs[name].items[benchmark].values()) for benchmark in benchmarks]
            for runs in study.seeds.values()
        ]
    )


def index(study: Study, name: str) -> dict[str, dict[str, Value]]:
    """The index of the scores averaged over seeds, in its three forms.

    v2_pooled takes its sigma from the settings: see docs/decisions/0006.
    """
    sigma = _settings_sigma(study)
    base, tuned = mean_scores(study, BASE), mean_scores(study, name)
    return transferability(base, tuned, study.groups, pooled_sigma=sigma)


def index_intervals(study: Study, name: str) -> dict[str, dict[str, list | None]]:
    """95% bootstrap intervals of the index over items; None where too many draws have
    no value."""
    draws = {who: _resampled_scores(study, who) for who in (BASE, name)}
    sigma = _settings_sigma(study)
    values: dict[str, dict[str, list[float]]] = {
        form: {short: [] for short in OTHERS} for form in FORMS
    }
    count = min(500, RESAMPLES)
    for draw in range(count):
        one = {who: {b: s[draw] for b, s in by.items()} for who, by in draws.items()}
        found = transferability(one[BASE], one[name], study.groups, pooled_sigma=sigma)
        for form in FORMS:
            for short, value in found[form].items():
                if not isinstance(value, str):
                    values[form][short].append(value)
    bounds = lambda v: (
        [float(x) for x in np.quantile(v, [0.025, 0.975])]
        if len(v) > count / 2
        else None
    )
    return {f: {s: bounds(v) for s, v in by.items()} for f, by in values.items()}


def mean_scores(study: Study, name: str) -> Scores:
    """Score of each benchmark, averaged over seeds."""
    return {
        benchmark: float(
            np.mean(
                [runs[name].scores[benchmark]["mean"] for runs in study.seeds.values()]
            )
        )
        for benchmarks in study.groups.values()
        for benchmark in benchmarks
    }


def short_groups(study: Study) -> Mapping[str, list[str]]:
    """Benchmarks by the summary's group names: math, other, non."""
    return {SHORT[group]: names for group, names in study.groups.items()}


def _settings_sigma(study: Study) -> Mapping[str, float]:
    base = mean_scores(study, BASE)
    pool = [(base, mean_scores(study, name)) for name in study.config["settings"]]
    return pool_sigma(pool, study.groups)


def _paired(base: Run, tuned: Run, benchmark: str) -> np.ndarray:
    """Change of every item; both models answered the same ones."""
    return _in_order(base, tuned, benchmark) - _in_order(base, base, benchmark)


def _resampled_scores(study: Study, name: str) -> dict[str, np.ndarray]:
    """Bootstrap draws of every score; a draw has the same items for every model."""
    rng = np.random.default_rng(0)
    return {
        benchmark: np.mean(
            [
                resample(_in_order(runs[BASE], runs[name], benchmark), rng)
                for runs in study.seeds.values()
            ],
            axis=0,
        )
        for benchmarks in study.groups.values()
        for benchmark in benchmarks
    }


def _in_order(base: Run, run: Run, benchmark: str) -> np.ndarray:
    """Items of `run` in the base's order."""
    return np.array([run.items[benchmark][item] for item in base.items[benchmark]])
