"""The reward of a graded response."""

import dataclasses

from transfer_reasoning.types import Verdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reward:
    """Points for right and wrong, and a soft penalty on overlong responses.

    The penalty falls from 0 to -`overlong_factor` over the last `overlong_buffer`
    tokens of the budget (DAPO, arXiv 2503.14476, eq. 13); a buffer of 0 turns it off.
    The paper's recipe is +1, -1 and a buffer of 4,096.
    """

    right: float = 1.0
    wrong: float = 0.0
    overlong_buffer: int = 0
    overlong_factor: float = 1.0

    def __call__(self, verdict: Verdict, length: int, max_tokens: int) -> float | None:
        """None where the verdict is "could not grade"."""
        if verdict.correct is None:
            return None
        points = self.right if verdict.correct else self.wrong
        if self.overlong_buffer:
            over = length - (max_tokens - self.overlong_buffer)
            share = min(max(over / self.overlong_buffer, 0.0), 1.0)
            points -= self.overlong_factor * share
        return points
