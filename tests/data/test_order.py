"""The order of the data is a function of (seed, step, index) and of nothing else."""

import pytest

from transfer_reasoning.data.order import step_indices


def stream(seed, count, size, epochs):
    """The indices of all steps that make up so many epochs, one after another."""
    assert size * epochs % count == 0
    steps = range(size * epochs // count)
    served = [step_indices(seed=seed, step=s, count=count, size=size) for s in steps]
    return [index for step in served for index in step]


@pytest.mark.parametrize(("count", "size"), [(1, 5), (4, 10), (10, 10), (25, 10)])
def test_every_epoch_is_a_permutation_whatever_a_step_holds(count, size):
    order = stream(3, count, size, epochs=5 * count)
    for start in range(0, len(order), size):
        assert sorted(order[start : start + size]) == list(range(size))
    assert order == stream(3, 1, size, epochs=5 * count)


def test_a_step_is_the_same_whoever_asks_and_whenever():
    ask = lambda step: step_indices(seed=7, step=step, count=3, size=8)
    in_order = [ask(step) for step in range(40)]
    backwards = [ask(step) for step in reversed(range(40))]
    assert backwards[::-1] == in_order


def test_epochs_and_seeds_are_shuffled_differently():
    orders = [step_indices(seed=s, step=e, count=50, size=50)
              for s in range(3) for e in range(3)]  # fmt: skip
    assert len({tuple(order) for order in orders}) == 9
    assert list(range(50)) not in orders
