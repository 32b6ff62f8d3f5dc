"""The objective in float64 NumPy, written from the papers and not from our code.

Responses are rows of [response, token] arrays, nothing is packed. `loss` takes the
log-probabilities twice: those that are differentiated, and those that every
stop-gradient of the formulas holds fixed; so its finite differences are the gradient
that the surrogate's authors mean.
"""

import dataclasses
import math
import statistics
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Responses, [R, T] unless said; positions at and beyond `lengths_R` mean nothing.

    old: None before a step's first update, when it is the policy itself.
    sampler: nan where it is not known.
    """

    logprob: np.ndarray
    old: np.ndarray | None
    sampler: np.ndarray
    reference: np.ndarray
    exact_kl: np.ndarray
    lengths_R: np.ndarray
    truncated_R: np.ndarray
    advantage_R: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Which positions are tokens of a response."""
        return np.arange(self.logprob.shape[1]) < self.lengths_R[:, None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is minimised; names as in `training.objective`."""

    ratio: str = "token"
    bound: str = "clip"
    clip_low: float = 0.2
    clip_high: float = 0.28
    clip_dual: float = 0.0
    sapo_positive: float = 1.0
    sapo_negative: float = 1.05
    correction: str = "none"
    correction_min: float = 0.0
    correction_max: float = 3.0
    kl_estimator: str = "k3"
    kl_weight: float = 0.0
    normaliser: str = "token_mean"
    budget: int = 16
    mask_truncated: bool = False

    def but(self, **changes: Any) -> "Setting":
        """The same with changes."""
        return dataclasses.replace(self, **changes)


def terms(logprob, exact_kl, data: Data, setting: Setting):
    """(policy terms, KL terms) of the sum that is the loss, [..., R, T].

    `logprob` and `exact_kl` may have leading axes.
    """
    inside = data.inside
    fixed = np.where(inside, data.logprob, 0.0)
    logprob = np.where(inside, logprob, 0.0)
    old = fixed if data.old is None else np.where(inside, data.old, 0.0)
    advantage = data.advantage_R[:, None]
    ratio, frozen_ratio = _ratios(logprob, fixed, old, data, setting)
    policy = -_gain(ratio, frozen_ratio, logprob, advantage, setting)
    policy = policy * _rho(old, data, setting)
    divergence = _divergence(logprob, exact_kl, data, setting)
    share = _shares(data, setting)
    counted = np.where(inside, share, 0.0)
    return counted * policy, counted * setting.kl_weight * divergence


def loss(logprob, exact_kl, data: Data, setting: Setting):
    """The loss, and the sum of the absolute values it is the sum of."""
    parts = terms(logprob, exact_kl, data, setting)
    return sum(p.sum((-2, -1)) for p in parts), sum(np.abs(p).sum() for p in parts)


def gradients(data: Data, setting: Setting, step: float = 1e-5):
    """Central differences by every log-probability, and by every exact KL, [R, T].

    Also the sum of absolute differences of the terms, what a float32 gradient may be
    measured by.
    """
    points = np.eye(data.logprob.size).reshape(-1, *data.logprob.shape) * step
    found = []
    for which in (0, 1):
        shift = [0.0, 0.0]
        values = []
        for sign in (1, -1):
            shift[which] = sign * points
            given = (data.logprob + shift[0], data.exact_kl + shift[1])
            values.append(sum(terms(*given, data, setting)))
        change = (values[0] - values[1]) / (2 * step)
        change = np.broadcast_to(change, points.shape).sum((-2, -1))
        found.append(change.reshape(data.logprob.shape))
    return found


def _ratios(logprob, fixed, old, data, setting):
    """The ratio, and its value where a stop-gradient holds it."""
    if setting.ratio == "token":
        value = lambda x: np.exp(np.clip(x - old, -20, 20))
        return value(logprob), value(fixed)
    count = np.maximum(data.inside.sum(1, keepdims=True), 1)
    mean = (fixed - old).sum(1, keepdims=True) / count
    return (
        np.exp(np.minimum(mean + logprob - fixed, 10)),
        np.exp(np.minimum(mean, 10)) * np.ones_like(fixed),
    )


def _gain(ratio, frozen_ratio, logprob, advantage, setting):
    """What a token adds to the objective that is maximised."""
    if setting.bound == "cispo":
        return np.minimum(frozen_ratio, 1 + setting.clip_high) * advantage * logprob
    if setting.bound == "sapo":
        tau = np.where(advantage > 0, setting.sapo_positive, setting.sapo_negative)
        return 4 / tau / (1 + np.exp(-tau * (ratio - 1))) * advantage
    clipped = np.clip(ratio, 1 - setting.clip_low, 1 + setting.clip_high)
    gain = np.minimum(ratio * advantage, clipped * advantage)
    if setting.clip_dual:
        lifted = np.maximum(gain, setting.clip_dual * advantage)
        gain = np.where(advantage < 0, lifted, gain)
    return gain


def _rho(old, data, setting):
    if setting.correction == "none":
        return 1.0
    over, bound = setting.correction.split("_")
    gap = np.where(data.inside & np.isfinite(data.sampler), old - data.sampler, 0.0)
    if over == "sequence":
        gap = gap.sum(1, keepdims=True)
    rho = np.exp(np.clip(gap, -20, 20))
    low, high = setting.correction_min, setting.correction_max
    if bound == "truncate":
        return np.clip(rho, low, high)
    return rho * ((rho >= low) & (rho <= high))


def _divergence(logprob, exact_kl, data, setting):
    d = np.where(data.inside, data.reference, 0.0) - logprob
    return {
        "k1": -d,
        "k2": d**2 / 2,
        "k3": np.exp(np.clip(d, -20, 20)) - np.clip(d, -20, 20) - 1,
        "exact": np.where(data.inside, exact_kl, 0.0),
    }[setting.kl_estimator]


def _shares(data, setting):
    """1 / denominator of each response's tokens, [R, 1]; 0 for a masked response."""
    counted = np.ones(len(data.lengths_R), bool)
    if setting.mask_truncated:
        counted = ~data.truncated_R
    responses, tokens = counted.sum(), data.lengths_R[counted].sum()
    if not counted.any():
        return np.zeros((len(counted), 1))
    share = {
        "token_mean": 1 / max(tokens, 1) * np.ones(len(counted)),
        "sequence_mean": 1 / (responses * np.maximum(data.lengths_R, 1)),
        "sequence_sum": 1 / responses * np.ones(len(counted)),
        "constant": 1 / (responses * setting.budget) * np.ones(len(counted)),
    }[setting.normaliser]
    return np.where(counted, share, 0.0)[:, None]


def advantages(
    groups, *, baseline="mean", scale="group", keep="all", negatives=True
) -> list[list[float]]:
    """Credit of every response; rewards that are None or not finite are no grades."""
    known = lambda rewards: [r for r in rewards if r is not None and math.isfinite(r)]
    spread = lambda values: (
        statistics.stdev(values) + 1e-6 if len(set(values)) > 1 else 1.0
    )
    whole = spread([r for rewards in groups for r in known(rewards)])
    result = []
    for rewards in groups:
        graded = known(rewards)
        alike = len(set(graded)) < 2
        row = []
        for reward in rewards:
            if reward is None or not math.isfinite(reward):
                row.append(0.0)
                continue
            others = list(graded)
            others.remove(reward)
            against = {
                "none": lambda: 0.0,
                "mean": lambda graded=graded: statistics.fmean(graded),
                "leave_one_out": lambda others=others: statistics.fmean(others),
            }
            if baseline != "none" and alike:
                value = 0.0
            else:
                value = reward - against[baseline]()
            value /= {"group": spread(graded), "batch": whole, "none": 1.0}[scale]
            row.append(max(value, 0.0) if not negatives else value)
        if keep == "best":
            best = rewards.index(max(graded)) if graded else -1
            row = [value if n == best else 0.0 for n, value in enumerate(row)]
        result.append(row)
    return result
