"""The source lever, off-policy: responses that lie in a file.

A teacher's traces or stored rollouts. The current weights are not looked at.
"""

from collections.abc import Mapping, Sequence

from transfer_reasoning.data.order import step_indices
from transfer_reasoning.model.decoder import Params
from transfer_reasoning.types import Group, InputError


class Offline:
    """Serves `groups_per_step` of the given groups at each step, in seeded order."""

    def __init__(self, groups: Sequence[Group], *, groups_per_step: int, seed: int):
        if not groups:
            raise InputError(
                "the training data holds no responses; expected at least one: look at"
                " the distilled file and at what rejection left of it"
            )
        self._groups, self._count, self._seed = groups, groups_per_step, seed
        self.counts: Mapping[str, float] = {}

    def __call__(self, params: Params, step: int) -> list[Group]:
        indices = step_indices(
            seed=self._seed, step=step, count=self._count, size=len(self._groups)
        )
        return [self._groups[index] for index in indices]
