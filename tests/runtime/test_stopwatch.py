"""Parts of a run's time, against a clock that is set by hand."""

import pytest

from transfer_reasoning.runtime.stopwatch import REST, Stopwatch


class Clock:
    """Stands still unless it is moved."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time

    def spend(self, seconds):
        self.time += seconds


@pytest.fixture
def clock():
    return Clock()


def test_an_inner_part_is_not_counted_in_the_outer_one(clock):
    watch = Stopwatch(clock)
    clock.spend(1)
    with watch.part("sample"):
        clock.spend(2)
        with watch.part("grade"):
            clock.spend(4)
        clock.spend(8)
    clock.spend(16)
    assert watch.lap() == {REST: 17, "sample": 10, "grade": 4}


def test_laps_add_up_to_all_the_time_there_was(clock):
    watch, spent = Stopwatch(clock), 0.0
    work = watch.timed("update", clock.spend)
    for number in range(4):
        work(number)
        clock.spend(0.5)
        spent += sum(watch.lap().values())
    assert spent == clock.time - 100.0
    assert watch.lap() == {REST: 0.0}


def test_a_part_that_fails_is_over(clock):
    watch = Stopwatch(clock)

    def fail():
        clock.spend(1)
        raise KeyError

    with pytest.raises(KeyError):
        watch.timed("save", fail)()
    clock.spend(2)
    assert watch.lap() == {REST: 2, "save": 1}
