"""A KL term in the reward instead of the loss.

Each response's reward is lowered by weight times the sum, over its tokens, of an
estimate of KL(policy || reference), before any baseline is taken (verl's
`use_kl_in_reward`). The policy's side of the estimate is the log-probability that the
sampler gave the token; a response without one cannot be here.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from transfer_reasoning.model.decoder import Params
from transfer_reasoning.rollouts.source import Source
from transfer_reasoning.types import Group, InputError, Rollout

# The estimate at each response token, an array a response.
Estimate = Callable[[Sequence[Rollout]], Sequence[np.ndarray]]


class KlReward:
    """Another source's groups, their rewards lowered by the distance to a reference.

    A response that is not graded stays so. `counts` has `reward_kl` too, the mean
    estimate of a token over all responses.
    """

    def __init__(self, source: Source, estimate: Estimate, *, weight: float):
        self._source, self._estimate, self._weight = source, estimate, weight
        self.counts: Mapping[str, float] = {}

    def __call__(self, params: Params, step: int) -> list[Group]:
        groups = self._source(params, step)
        rollouts = [rollout for group in groups for rollout in group]
        if any(rollout.logprobs is None for rollout in rollouts):
            raise InputError(
                "a response has no log-probabilities of its sampler; expected them for"
                " a KL term in the reward: set objective.kl_place to loss"
            )
        parts = self._estimate(rollouts)
        sums = [float(np.sum(part, dtype=np.float64)) for part in parts]
        tokens = sum(len(rollout.response) for rollout in rollouts)
        mean = sum(sums) / tokens if tokens else float("nan")
        self.counts = {**self._source.counts, "reward_kl": mean}
        lowered = map(self._lower, rollouts, sums)
        return [[next(lowered) for _ in group] for group in groups]

    def _lower(self, rollout: Rollout, total: float) -> Rollout:
        if rollout.reward is None:
            return rollout
        reward = rollout.reward - self._weight * total
        return dataclasses.replace(rollout, reward=reward)
