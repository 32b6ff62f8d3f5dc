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

    v2_pooled takes its sigma from all models of the study but the base.
    """
    base = mean_scores(study, BASE)
    pool = [(base, mean_scores(study, other)) for other in study.names]
    sigma = pool_sigma(pool, study.groups)
    tuned = mean_scores(study, name)
    return transferability(base, tuned, study.groups, pooled_sigma=sigma)


def index_intervals(study: Study, name: str) -> dict[str, dict[str, list | None]]:
    """95% bootstrap intervals of the index over items, the same items for both models;
    None where too many draws have no value."""
    draws = {who: _resampled_scores(study, who) for who in (BASE, name)}
    base = mean_scores(study, BASE)
    pool = [(base, mean_scores(study, other)) for other in study.names]
    sigma = pool_sigma(pool, study.groups)
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


def _paired(base: Run, tuned: Run, benchmark: str) -> list[float]:
    """Change of every item; both models answered the same ones."""
    before, after = base.items[benchmark], tuned.items[benchmark]
    return [after[item] - before[item] for item in before]


def _resampled_scores(study: Study, name: str) -> dict[str, np.ndarray]:
    """Scores of resampled items; every model is drawn the same ones."""
    rng = np.random.default_rng(0)

    def draw(runs: Mapping[str, Run], benchmark: str) -> np.ndarray:
        items = runs[name].items[benchmark]
        return resample(np.array([items[i] for i in runs[BASE].items[benchmark]]), rng)

    return {
        benchmark: np.mean(
            [draw(runs, benchmark) for runs in study.seeds.values()], axis=0
        )
        for benchmarks in study.groups.values()
        for benchmark in benchmarks
    }
