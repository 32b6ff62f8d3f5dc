"""Points for a verdict, by hand."""

import pytest

from transfer_reasoning.rollouts.reward import Reward
from transfer_reasoning.types import Verdict

RIGHT, WRONG, UNKNOWN = Verdict(True), Verdict(False), Verdict(None)


@pytest.mark.parametrize("buffer", [0, 4])
def test_what_could_not_be_graded_has_no_reward(buffer):
    paper = Reward(right=1.0, wrong=-1.0, overlong_buffer=buffer)
    assert paper(UNKNOWN, 10, 10) is None
    assert paper(RIGHT, 3, 10) == 1.0
    assert paper(WRONG, 3, 10) == -1.0


@pytest.mark.parametrize(
    ("length", "penalty"),
    [(1, 0), (6, 0), (7, 0.25), (8, 0.5), (9, 0.75), (10, 1), (11, 1)],
)
def test_the_last_tokens_of_the_budget_cost_up_to_one_point(length, penalty):
    """A budget of 10 of which 4 are the buffer; beyond the budget it costs no more."""
    reward = Reward(right=1.0, wrong=-1.0, overlong_buffer=4)
    assert reward(RIGHT, length, 10) == 1.0 - penalty
    assert reward(WRONG, length, 10) == -1.0 - penalty
    assert Reward()(RIGHT, length, 10) == 1.0
    heavy = Reward(overlong_buffer=4, overlong_factor=0.5)
    assert heavy(RIGHT, length, 10) == 1.0 - 0.5 * penalty
