"""Bootstrap intervals over items, and over items and seeds.

Percentile intervals from resampled means (Efron 1979). Items are resampled whole, with
all their samples; a gain is paired, item by item, because base and tuned model answer
the same questions; with several seeds the seeds are resampled first and the items
within each, so the interval covers both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Values = Sequence[float] | np.ndarray  # one per item

RESAMPLES = 4_000
LEVEL = 0.95


class Interval(NamedTuple):
    """A mean and the bounds of its 95% interval."""

    mean: float
    low: float
    high: float


def mean_interval(values_I: Sequence[float], *, seed: int = 0) -> Interval:
    """Interval of the mean of one value per item."""
    return nested_interval([[values_I]], seed=seed)


def nested_interval(seeds: Sequence[Sequence[Values]], *, seed: int = 0) -> Interval:
    """Interval of a mean over seeds of a mean over groups of items.

    `seeds[s][g]` holds one value per item of group g (a benchmark) under seed s. All
    groups of a seed weigh alike, whatever their size, as in a table of benchmarks.
    """
    rng = np.random.default_rng(seed)
    draws = resampled_means(seeds, rng)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    mean = np.mean([np.mean([np.mean(group) for group in run]) for run in seeds])
    return Interval(float(mean), float(low), float(high))


def resampled_means(
    seeds: Sequence[Sequence[Values]], rng: np.random.Generator
) -> np.ndarray:
    """Means of `RESAMPLES` resampled studies, float64 [RESAMPLES]."""
    by_seed = [
        np.mean([resample(np.asarray(group), rng) for group in run], axis=0)
        for run in seeds
    ]
    if len(by_seed) == 1:
        return by_seed[0]
    drawn = rng.integers(0, len(by_seed), (len(by_seed), RESAMPLES))
    chosen = np.stack(by_seed)[drawn, np.arange(RESAMPLES)]
    return chosen.mean(axis=0)


def resample(values_I: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of resampled items, float64 [RESAMPLES]."""
    count = len(values_I)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, 500):  # bounded memory for large benchmarks
        picks = rng.integers(0, count, (min(500, RESAMPLES - start), count))
        means[start : start + len(picks)] = values_I[picks].mean(axis=1)
    return means
