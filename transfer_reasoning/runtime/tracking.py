"""Optional experiment tracking: rows of the training log, sent on.

trackio (local, no account) and wandb share one interface; neither is needed to run.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from transfer_reasoning.types import InputError

TRACKERS = ("trackio", "wandb")
PROJECT = "transfer-reasoning"

Track = Callable[[Mapping[str, Any]], None]


@contextmanager
def tracking(tracker: str, *, name: str, config: Mapping[str, Any]) -> Iterator[Track]:
    """What takes a row of the log, with its `step`; "" for `tracker` tracks nothing.

    A run goes on under its `name`: after a resume, steps since the checkpoint that it
    resumed from are sent again.

    Raises:
        InputError: an unknown tracker, or one that is not installed.
    """
    if not tracker:
        yield lambda row: None
        return
    if tracker not in TRACKERS:
        raise InputError(
            f"tracker {tracker!r} is unknown; expected one of {', '.join(TRACKERS)},"
            " or nothing"
        )
    try:
        client = importlib.import_module(tracker)
    except ImportError as error:
        raise InputError(
            f"tracker {tracker!r} is not installed; expected it beside this package:"
            f" pip install {tracker}"
        ) from error
    client.init(project=PROJECT, name=name, config=dict(config), resume="allow")
    try:
        yield lambda row: client.log(_known(row), step=row["step"])
    finally:
        client.finish()


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None and k != "step"}
