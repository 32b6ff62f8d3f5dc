"""The source lever, off-policy: responses that lie in a file.

A teacher's traces or stored rollouts. The current weights are not looked at. Groups are
asked for by number, those of a step at that step, so they may be read then.
"""

from collections.abc import Mapping, Sequence

from transfer_reasoning.data.lazy import take
from transfer_reasoning.data.order import step_indices
from transfer_reasoning.model.decoder import Params
from transfer_reasoning.types import Group, InputError


class Offline:
    """Serves `groups_per_step` of the given groups at each step, in seeded order.

    Attributes:
        counts: responses of the latest step that were left out, too long for a row.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        groups_per_step: int,
        seed: int,
        row_length: int,
    ):
        if not groups:
            raise InputError(
                "the training data holds no responses; expected at least one: look at"
                " the distilled file and at what rejection left of it"
            )
        self._groups, self._count, self._seed = groups, groups_per_step, seed
        self._row_length = row_length
        self.counts: Mapping[str, float] = {}

    def __call__(self, params: Params, step: int) -> list[Group]:
        indices = step_indices(
            seed=self._seed, step=step, count=self._count, size=len(self._groups)
        )
        whole = take(self._groups, indices)
        groups = [kept for group in whole if (kept := self._fitting(group))]
        self.counts = {"too_long": sum(map(len, whole)) - sum(map(len, groups))}
        if not groups:
            raise InputError(
                f"step {step + 1} has no response that fits a row; expected at least"
                f" one: raise row_length, which is {self._row_length}"
            )
        return groups

    def _fitting(self, group: Group) -> Group:
        return [r for r in group if len(r.prompt) + len(r.response) <= self._row_length]
