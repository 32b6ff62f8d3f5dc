"""Changes paired by item: by hand, and what pairing does to an interval."""

import dataclasses

import pytest

from analysis import gains
from analysis.results import Run, Study

GROUPS = {"math": ["m1", "m2"], "other_reasoning": ["o1"], "non_reasoning": ["n1"]}
TASKS = ["m1", "m2", "o1", "n1"]


def run(**items):
    """A run whose items have these percents, in the order given."""
    by_task = {
        task: {str(n): float(value) for n, value in enumerate(values)}
        for task, values in items.items()
    }
    scores = {t: {"mean": sum(v.values()) / len(v)} for t, v in by_task.items()}
    return Run(scores, by_task, {}, [], {}, {}, {})


def study_of(*seeds, settings=("a", "b")):
    config = {"settings": settings, "controls": ()}
    return Study(config, GROUPS, dict(enumerate(seeds)), {})


BASE = run(m1=[0, 50], m2=[0, 0, 100, 50], o1=[50, 50], n1=[100, 0, 50])
A = run(m1=[50, 100], m2=[100, 50, 100, 50], o1=[0, 50], n1=[100, 0, 100])
B = run(m1=[0, 100], m2=[0, 50, 0, 50], o1=[100, 50], n1=[0, 100, 50])


@pytest.fixture
def study():
    return study_of({"base": BASE, "a": A, "b": B})


def test_benchmarks_weigh_alike_whatever_their_size(study):
    """m1: (50 + 50)/2 = 50; m2: (100 + 50 + 0 + 0)/4 = 37.5."""
    assert gains.gain(study, "a", GROUPS["math"]).mean == (50 + 37.5) / 2
    assert gains.gain(study, "a", TASKS).mean == (50 + 37.5 - 25 + 50 / 3) / 4
    assert gains.score(study, "a", ["m2"]).mean == 75


def test_a_constant_change_has_no_uncertainty(study):
    assert gains.gain(study, "a", ["m1"]) == (50, 50, 50)
    low, high = gains.score(study, "a", ["m1"])[1:]
    assert low < high


def test_an_interval_of_two_items_is_that_of_their_resamples(study):
    """Changes -50 and 0 of o1: means -50, -25, 0 with shares 1/4, 1/2, 1/4."""
    assert gains.gain(study, "a", ["o1"]) == (-25, -50, 0)


def test_exchanging_two_models_negates_the_difference(study):
    ours = gains.difference(study, "a", "b", GROUPS["math"])
    theirs = gains.difference(study, "b", "a", GROUPS["math"])
    assert ours.mean == -theirs.mean == (25 + 50) / 2
    assert ours.low == pytest.approx(-theirs.high)
    assert gains.difference(study, "a", "base", TASKS) == gains.gain(study, "a", TASKS)


def test_items_are_paired_by_name_not_by_place(study):
    backwards = {t: dict(reversed(items.items())) for t, items in A.items.items()}
    turned = dataclasses.replace(A, items=backwards)
    other = study_of({"base": BASE, "a": turned, "b": B})
    for tasks in (TASKS, ["m2"]):
        assert gains.gain(other, "a", tasks) == gains.gain(study, "a", tasks)
    assert gains.index_intervals(other, "a") == gains.index_intervals(study, "a")


def test_seeds_are_averaged_and_widen_the_interval():
    """Every item changes alike within a seed: what is uncertain is the seed."""
    up = run(m1=[50, 100], m2=[50, 50, 150, 100], o1=[50, 50], n1=[100, 0, 50])
    study = study_of({"base": BASE, "a": up, "b": B}, {"base": BASE, "a": BASE, "b": B})
    assert gains.gain(study, "a", GROUPS["math"]) == (25, 0, 50)
    assert gains.mean_scores(study, "a")["m1"] == (75 + 25) / 2


def test_an_index_of_constant_changes_has_no_uncertainty():
    """Every item of a task gains 20, 10 or 5 points, so resampling changes no gain."""
    base = run(m1=[0, 50], m2=[20, 40], o1=[0, 80], n1=[10, 30])
    step = lambda task, by: [value + by for value in base.items[task].values()]
    tuned = run(
        m1=step("m1", 20), m2=step("m2", 20), o1=step("o1", 10), n1=step("n1", 5)
    )
    spread = run(m1=[0, 60], m2=[80, 60], o1=[0, 60], n1=[0, 0])
    study = study_of({"base": base, "a": tuned, "b": spread})
    found, bounds = gains.index(study, "a"), gains.index_intervals(study, "a")
    for group in ("other", "non"):
        value = found["v2_pooled"][group]
        assert bounds["v2_pooled"][group] == pytest.approx([value, value])


def test_an_index_that_mostly_has_no_value_has_no_interval(study):
    same = study_of({"base": BASE, "a": BASE, "b": B})
    for by_group in gains.index_intervals(same, "a").values():
        assert by_group == {"other": None, "non": None}
