"""What the loop asks of a source, the first lever."""

from collections.abc import Mapping
from typing import Protocol

from transfer_reasoning.model.decoder import Params
from transfer_reasoning.types import Group


class Source(Protocol):
    """Groups of responses to train on; a function of the weights and the step alone.

    Attributes:
        counts: what the latest call counted, for the log.
    """

    counts: Mapping[str, float]

    def __call__(self, params: Params, step: int) -> list[Group]:
        """The groups of a step."""
        ...
