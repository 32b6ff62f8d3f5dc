"""Scores by hand: items, samples, and the answers that could not count."""

import math

import pytest

from transfer_reasoning.evaluation.scores import group_means, item_percents, score
from transfer_reasoning.intervals import mean_interval
from transfer_reasoning.types import InputError


def record(item, correct, extracted="5", finish="stop"):
    return {
        "id": item,
        "correct": correct,
        "extracted": extracted,
        "finish_reason": finish,
    }


# Item a: 2 of 4 right, one cut off. b: none, two without an answer, one of them cut
# off. c: the grader was stopped twice, once with and once without an answer at hand.
RECORDS = [
    record("a", True),
    record("a", False, finish="length"),
    record("b", False, None),
    record("b", False, None, "length"),
    record("c", None),
    record("c", None, None),
    record("a", True),
    record("a", False),
    record("d", True),
    record("d", True, finish="length"),
]


def test_items_are_averaged_over_their_samples():
    assert item_percents(RECORDS) == {"a": 50.0, "b": 0.0, "c": 0.0, "d": 100.0}


def test_scores_by_hand():
    scores = score(RECORDS)
    assert scores["n"] == 4
    assert scores["mean"] == 37.5  # of items: 50, 0, 0, 100; of samples it would be 40
    assert scores["truncated"] == pytest.approx(30.0)
    assert scores["unparsable"] == pytest.approx(20.0)
    assert scores["ungraded"] == pytest.approx(20.0)
    interval = mean_interval([50.0, 0.0, 0.0, 100.0])
    assert (scores["ci_low"], scores["ci_high"]) == (interval.low, interval.high)


def test_a_share_of_each_kind_never_passes_the_whole():
    """Right, wrong with an answer, without one, ungraded: every sample is one."""
    scores = score(RECORDS)
    right = 100 * sum(r["correct"] is True for r in RECORDS) / len(RECORDS)
    wrong = [r for r in RECORDS if r["correct"] is False and r["extracted"]]
    rest = 100 * len(wrong) / len(RECORDS)
    total = right + rest + scores["unparsable"] + scores["ungraded"]
    assert total == pytest.approx(100)


def test_the_order_of_records_changes_no_share():
    names = ("mean", "n", "truncated", "unparsable", "ungraded")
    forwards, backwards = score(RECORDS), score(RECORDS[::-1])
    assert [forwards[n] for n in names] == [backwards[n] for n in names]


@pytest.mark.parametrize(("correct", "mean"), [(True, 100.0), (False, 0.0), (None, 0)])
def test_one_item_has_no_width(correct, mean):
    scores = score([record("a", correct)])
    assert (scores["mean"], scores["ci_low"], scores["ci_high"]) == (mean,) * 3
    assert all(map(math.isfinite, scores.values()))


def test_no_records_are_refused():
    with pytest.raises(InputError, match="no values"):
        score([])


def test_groups_are_means_of_benchmarks_not_of_items():
    scores = {"x": {"mean": 10.0, "n": 1}, "y": {"mean": 20.0, "n": 99}}
    scores["z"] = {"mean": 7.0, "n": 5}
    groups = {"x": "math", "y": "math", "z": "non_reasoning", "unused": "math"}
    assert group_means(scores, groups) == {"math": 15.0, "non_reasoning": 7.0}
