"""Credit: hand-computed weights, and what must not count as a grade."""

import numpy as np
import pytest

from transfer_reasoning.objectives.credit import (
    GroupAdvantage,
    group_advantages,
    positives_only,
    uniform,
)
from transfer_reasoning.types import InputError, Rollout

MEAN_ONLY = {"divide_by_std": False}


def group(*rewards):
    """One response per reward."""
    return [Rollout((1,), (2 + n,), reward) for n, reward in enumerate(rewards)]


def weights(credit, *groups):
    weighted = credit(groups)
    flat = [rollout for rollouts in groups for rollout in rollouts]
    assert [item.rollout for item in weighted] == flat
    return [item.weight for item in weighted]


def test_uniform_counts_every_response_once():
    assert weights(uniform, group(1.0, 0.0, None), group(-1.0)) == [1.0] * 4


def test_positives_only_counts_what_is_graded_right():
    given = group(1.0, 0.0, -1.0, None, 0.5)
    assert weights(positives_only, given) == [1.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("rewards", "centred", "deviation"),
    [
        ((1.0, 0.0, 0.0, 1.0), (0.5, -0.5, -0.5, 0.5), np.sqrt(1 / 3)),
        ((1.0, 0.0, 0.0, 0.0), (0.75, -0.25, -0.25, -0.25), 0.5),
        ((1.0, -1.0), (1.0, -1.0), np.sqrt(2)),
        ((3.0, 1.0, 2.0), (1.0, -1.0, 0.0), 1.0),
    ],
)
def test_group_advantage_equals_the_numbers_by_hand(rewards, centred, deviation):
    ours = weights(GroupAdvantage(**MEAN_ONLY), group(*rewards))
    np.testing.assert_allclose(ours, centred, rtol=1e-12)
    divided = np.array(centred) / (deviation + 1e-6)
    np.testing.assert_allclose(weights(GroupAdvantage(), group(*rewards)), divided)


@pytest.mark.parametrize("divide_by_std", [True, False])
@pytest.mark.parametrize("reward", [0.1, 1 / 3, -0.7, 1.0, 0.0])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 16])
def test_equal_rewards_give_exact_zeros(divide_by_std, reward, size):
    credit = GroupAdvantage(divide_by_std=divide_by_std)
    assert weights(credit, group(*[reward] * size)) == [0.0] * size


@pytest.mark.parametrize("divide_by_std", [True, False])
def test_an_ungraded_response_is_as_good_as_absent(divide_by_std):
    credit = GroupAdvantage(divide_by_std=divide_by_std)
    with_unknown = weights(credit, group(1.0, None, 0.0, 0.0, None))
    without = weights(credit, group(1.0, 0.0, 0.0))
    assert with_unknown == [without[0], 0.0, without[1], without[2], 0.0]
    assert with_unknown != weights(credit, group(1.0, 0.0, 0.0, 0.0, 0.0))
    for few in (group(None, None), group(None), group(1.0, None)):
        assert not any(weights(credit, few))


def test_a_shift_or_scale_of_rewards_changes_no_normalised_advantage():
    rewards = np.random.default_rng(0).normal(size=8)
    ours = group_advantages(rewards, divide_by_std=True)
    other = group_advantages(7 * rewards + 3, divide_by_std=True)
    np.testing.assert_allclose(ours, other, rtol=1e-5)
    np.testing.assert_allclose([ours.sum(), ours.std(ddof=1)], [0, 1], atol=1e-5)


def test_groups_do_not_see_each_other():
    groups = [group(1.0, 0.0), group(0.0, 0.0, 5.0), group(None, 2.0, 1.0)]
    alone = [weight for one in groups for weight in weights(GroupAdvantage(), one)]
    assert weights(GroupAdvantage(), *groups) == alone


def test_keep_best_leaves_the_first_of_highest_reward():
    best = GroupAdvantage(keep="best", **MEAN_ONLY)
    assert weights(best, group(0.0, 1.0, 1.0, 0.0)) == [0.0, 0.5, 0.0, 0.0]
    assert weights(best, group(None, -1.0, -3.0)) == [0.0, 1.0, 0.0]
    assert weights(best, group(1.0, 1.0), group(None, None)) == [0.0] * 4


def test_without_negatives_only_they_change():
    rewards = (1.0, 0.0, None, 0.5, 0.0)
    with_them = weights(GroupAdvantage(), group(*rewards))
    without = weights(GroupAdvantage(negatives=False), group(*rewards))
    assert min(with_them) < 0
    assert without == [max(weight, 0.0) for weight in with_them]


def test_an_unknown_choice_is_refused():
    with pytest.raises(InputError, match="keep is 'worst'; expected all or best"):
        GroupAdvantage(keep="worst")
