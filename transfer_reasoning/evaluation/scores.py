"""Records to scores: percent right with its interval, and how much could not count.

A sample that could not be graded is not right; `ungraded` says how many there were.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from transfer_reasoning.intervals import mean_interval

Record = Mapping[str, Any]


def item_percents(records: Sequence[Record]) -> dict[str, float]:
    """Percent of each item's samples that are right, by item id."""
    by_item: dict[str, list[bool]] = {}
    for record in records:
        by_item.setdefault(record["id"], []).append(record["correct"] is True)
    return {item: 100.0 * float(np.mean(right)) for item, right in by_item.items()}


def score(records: Sequence[Record]) -> dict[str, float]:
    """Mean and 95% interval over items, and shares of samples; all in percent.

    n: items. truncated: cut off by the token budget. unparsable: no answer found.
    ungraded: the grader could not tell.

    Raises:
        InputError: there are no records.
    """
    interval = mean_interval(list(item_percents(records).values()))
    share = lambda found: 100.0 * float(np.mean([found(record) for record in records]))
    return {
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": len({record["id"] for record in records}),
        "truncated": share(lambda r: r["finish_reason"] == "length"),
        "unparsable": share(
            lambda r: r["correct"] is not None and r["extracted"] is None
        ),
        "ungraded": share(lambda r: r["correct"] is None),
    }


def group_means(
    scores: Mapping[str, Mapping[str, float]], groups: Mapping[str, str]
) -> dict[str, float]:
    """Unweighted mean of the benchmarks of each group; `groups` maps name to group."""
    members: dict[str, list[float]] = {}
    for name, values in scores.items():
        members.setdefault(groups[name], []).append(values["mean"])
    return {group: float(np.mean(means)) for group, means in members.items()}
