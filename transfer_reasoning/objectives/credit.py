"""Credit: what weight w(x, y) a response gets from its grade. The second lever.

Each function takes the groups of a step (responses to one prompt) and returns one
weight per response. A response that could not be graded gets weight 0 and is left out
of its group's mean: it is neither right nor wrong.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from transfer_reasoning.types import Group, InputError, Weighted

STD_EPSILON = 1e-6

Credit = Callable[[Sequence[Group]], list[Weighted]]


def uniform(groups: Sequence[Group]) -> list[Weighted]:
    """Every response counts 1: supervised fine-tuning on what the source gives."""
    return [Weighted(rollout, 1.0) for group in groups for rollout in group]


def positives_only(groups: Sequence[Group]) -> list[Weighted]:
    """Right answers count 1, all others 0: rejection sampling."""
    return [
        Weighted(rollout, float(rollout.reward is not None and rollout.reward > 0))
        for group in groups
        for rollout in group
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupAdvantage:
    """The reward against its group's mean (GRPO, arXiv 2402.03300).

    Attributes:
        divide_by_std: also divide by the group's standard deviation (n - 1); off is
            Dr. GRPO (arXiv 2503.20783).
        keep: "all" responses, or "best": the first of highest reward, as the paper's
            off-policy RL does.
        negatives: keep negative weights; off separates credit assignment from the
            negative gradient.
    """

    divide_by_std: bool = True
    keep: str = "all"
    negatives: bool = True

    def __post_init__(self) -> None:
        if self.keep not in ("all", "best"):
            raise InputError(f"keep is {self.keep!r}; expected all or best")

    def __call__(self, groups: Sequence[Group]) -> list[Weighted]:
        return [weighted for group in groups for weighted in self._group(group)]

    def _group(self, group: Group) -> list[Weighted]:
        rewards = [rollout.reward for rollout in group]
        weights = group_advantages(rewards, divide_by_std=self.divide_by_std)
        if not self.negatives:
            weights = np.maximum(weights, 0.0)
        if self.keep == "best":
            graded = [-np.inf if reward is None else reward for reward in rewards]
            weights = np.where(np.arange(len(group)) == np.argmax(graded), weights, 0.0)
        return [
            Weighted(rollout, float(weight))
            for rollout, weight in zip(group, weights, strict=True)
        ]


def group_advantages(
    rewards: Sequence[float | None], *, divide_by_std: bool
) -> np.ndarray:
    """(r - mean) / (std + 1e-6) of a group, float64.

    Equal rewards give exact zeros (the mean of equal floats can differ from them by a
    rounding, which the small denominator would blow up), and so does a group of one.
    """
    graded = np.array([np.nan if reward is None else reward for reward in rewards])
    known = np.isfinite(graded)
    values = graded[known]
    if len(values) < 2 or np.ptp(values) == 0:
        return np.zeros(len(graded))
    advantages = graded - values.mean()
    if divide_by_std:
        advantages = advantages / (values.std(ddof=1) + STD_EPSILON)
    return np.where(known, advantages, 0.0)
