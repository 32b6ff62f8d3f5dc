"""Token sequences of any length into rows of one length.

Sequences are placed first-fit into rows, rows are cut into microbatches of one shape.
How many microbatches an update has may vary: nothing recompiles, and an update costs
what its tokens cost. A response of weight 0 changes no gradient unless a KL term asks
for it, so it may be left out; it still counts in the mean.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from transfer_reasoning.objectives.surrogate import TrainBatch
from transfer_reasoning.types import InputError, Weighted

NORMALISERS = ("token_mean", "sequence_mean", "constant")


def pack(
    weighted: Sequence[Weighted],
    *,
    rows: int,
    length: int,
    normaliser: str = "token_mean",
    keep_unweighted: bool = False,
) -> list[TrainBatch]:
    """Microbatches of shape [rows, length] that together are one update.

    Args:
        normaliser: what a token's share of the objective is: "token_mean" 1 / all
            response tokens (DAPO), "sequence_mean" 1 / (responses * own length) (GRPO),
            "constant" 1 / (responses * length) (Dr. GRPO).
        keep_unweighted: keep responses of weight 0, for a KL term.

    Raises:
        InputError: a sequence is longer than a row, or has no prompt to start from.
    """
    shares = _shares(weighted, length, normaliser)
    kept = [
        (item, share)
        for item, share in zip(weighted, shares, strict=True)
        if item.rollout.response and (keep_unweighted or item.weight != 0)
    ]
    if not all(item.rollout.prompt for item, _ in kept):
        raise InputError(
            "a prompt is empty; expected at least one token: a response's first token"
            " is predicted from the token before it"
        )
    placed = _first_fit([_size(item) for item, _ in kept], length)
    count = -(-(1 + max((row for row, _ in placed), default=-1)) // rows)
    batches = [_empty(rows, length) for _ in range(count)]
    segments: dict[int, int] = {}
    for (item, share), (row, start) in zip(kept, placed, strict=True):
        segments[row] = segments.get(row, 0) + 1
        _fill(batches[row // rows], row % rows, start, segments[row], item, share)
    return batches


def _shares(weighted: Sequence[Weighted], length: int, normaliser: str) -> list[float]:
    """Weight of one response token in the objective, per response."""
    sizes = [len(item.rollout.response) for item in weighted]
    if normaliser == "token_mean":
        return [1.0 / max(1, sum(sizes))] * len(sizes)
    if normaliser == "sequence_mean":
        return [1.0 / (len(sizes) * max(1, size)) for size in sizes]
    if normaliser == "constant":
        return [1.0 / (len(sizes) * length)] * len(sizes)
    raise InputError(
        f"normaliser is {normaliser!r}; expected one of {', '.join(NORMALISERS)}"
    )


def _size(item: Weighted) -> int:
    return len(item.rollout.prompt) + len(item.rollout.response)


def _first_fit(sizes: Sequence[int], length: int) -> list[tuple[int, int]]:
    """(row, start) of every sequence: the first row with room takes it."""
    used: list[int] = []
    places = []
    for size in sizes:
        if size > length:
            raise InputError(
                f"a sequence has {size} tokens and a row {length}; expected it to fit:"
                " raise row_length or lower max_tokens"
            )
        row = next((r for r, n in enumerate(used) if n + size <= length), len(used))
        if row == len(used):
            used.append(0)
        places.append((row, used[row]))
        used[row] += size
    return places


def _empty(rows: int, length: int) -> TrainBatch:
    integers: Any = lambda: np.zeros((rows, length), np.int32)
    floats: Any = lambda value=0.0: np.full((rows, length), value, np.float32)
    return TrainBatch(
        tokens_BT=integers(),
        positions_BT=integers(),
        segments_BT=integers(),
        weight_BT=floats(),
        advantage_BT=floats(),
        sampler_logprob_BT=floats(np.nan),  # not a number: nothing to compare with
        old_logprob_BT=floats(),
        reference_logprob_BT=floats(),
    )


def _fill(
    batch: TrainBatch, row: int, start: int, segment: int, item: Weighted, share: float
) -> None:
    rollout = item.rollout
    split = start + len(rollout.prompt)
    end = split + len(rollout.response)
    batch.tokens_BT[row, start:split] = rollout.prompt
    batch.tokens_BT[row, split:end] = rollout.response
    batch.positions_BT[row, start:end] = np.arange(end - start)
    batch.segments_BT[row, start:end] = segment
    batch.weight_BT[row, split:end] = share
    batch.advantage_BT[row, split:end] = item.weight
    if rollout.logprobs is not None:
        batch.sampler_logprob_BT[row, split:end] = rollout.logprobs
