"""Bootstrap intervals over items, and over items and seeds.

Percentile intervals from resampled means (Efron 1979). Items are resampled whole, with
all their samples; a gain is paired, item by item, because base and tuned model answer
the same questions; with several seeds the seeds are resampled first and the items
within each, so the interval covers both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from transfer_reasoning.types import InputError

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

    Raises:
        InputError: there is no seed, a seed without groups, or a group without items.
    """
    if not seeds or not all(run and all(map(len, run)) for run in seeds):
        raise InputError("got no values for an interval; expected at least one item")
    rng = np.random.default_rng(seed)
    draws = resampled_means(seeds, rng)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    mean = np.mean([np.mean([np.mean(group) for group in run]) for run in seeds])
    return Interval(float(mean), float(low), float(high))


def resampled_means(
    seeds: Sequence[Sequence[Values]], rng: np.random.Generator
) -> np.ndarray:
    """Means of `RESAMPLES` resampled studies, float64 [RESAMPLES].

    A seed that is drawn twice has its items drawn twice: their noise averages out.
    """
    drawn = rng.integers(0, len(seeds), (len(seeds), RESAMPLES))
    means = np.empty(drawn.shape)
    for number, run in enumerate(seeds):
        chosen = drawn == number
        means[chosen] = _resampled_run(run, rng, int(chosen.sum()))
    return means.mean(axis=0)


def _resampled_run(
    groups: Sequence[Values], rng: np.random.Generator, draws: int
) -> np.ndarray:
    """Means of one seed's resampled items, all groups alike."""
    means = [resample(np.asarray(group), rng, draws) for group in groups]
    return np.mean(means, axis=0)


def resample(
    values_I: np.ndarray, rng: np.random.Generator, draws: int = RESAMPLES
) -> np.ndarray:
    """Means of resampled items, float64 [draws]."""
    count = len(values_I)
    means = np.empty(draws)
    for start in range(0, draws, 500):  # bounded memory for large benchmarks
        picks = rng.integers(0, count, (min(500, draws - start), count))
        means[start : start + len(picks)] = values_I[picks].mean(axis=1)
    return means
