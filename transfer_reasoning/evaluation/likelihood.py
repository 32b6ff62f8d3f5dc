"""How likely a model finds texts after a prompt: benchmarks with given choices.

A context and a continuation are tokenised together and split as lm-evaluation-harness
does (TemplateLM._encode_pair), so that a number here is a number there. The shapes a
pair is computed in depend on the pair alone, not on which others are asked with it.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.decoder import Params, forward, head_table
from transfer_reasoning.model.partition import Layout, constrain
from transfer_reasoning.model.score import token_scores
from transfer_reasoning.probes.collect import TOKENS_PER_BATCH, padded
from transfer_reasoning.shapes import bucket
from transfer_reasoning.text import Text
from transfer_reasoning.types import InputError

Tokens = tuple[int, ...]


class Pair(NamedTuple):
    """Tokens given, and tokens whose probability is asked."""

    context: Tokens
    continuation: Tokens


class Likelihood(NamedTuple):
    """Of a continuation: its log-probability (nats, summed over its tokens), and
    whether each of them is the most likely one there."""

    logprob: float
    is_greedy: bool


def encode_pairs(
    text: Text, pairs: Iterable[tuple[str, str]], *, document: bool = False
) -> list[Pair]:
    """Tokens of (context, continuation) texts.

    White space at the end of a context goes to the continuation, and the two are
    tokenised as one text: what lies past the context's own tokens is the continuation.
    A `document` opens as the tokenizer opens a text that stands alone.
    """
    split = []
    for context, continuation in pairs:
        kept = context.rstrip()
        split.append((kept, context[len(kept) :] + continuation))
    contexts = text.encode_all((context for context, _ in split), document=document)
    wholes = text.encode_all(map("".join, split), document=document)
    return [
        Pair(context, whole[len(context) :])
        for context, whole in zip(contexts, wholes, strict=True)
    ]


def continuation_logprobs(
    params: Params,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    config: ModelConfig,
    layout: Layout | None,
    on_scored: Callable[[int, Likelihood], None] = lambda number, likelihood: None,
) -> list[Likelihood]:
    """The likelihood of each pair's continuation after its context, in order.

    Pairs of like lengths share a batch of about `TOKENS_PER_BATCH` tokens; `on_scored`
    is told each pair's place and likelihood as batches are done.

    Raises:
        InputError: a pair lacks tokens, or has more than the model has positions; says
            which, by its place in `pairs`.
    """
    by_shape: dict[tuple[int, int], list[int]] = {}
    for number, (context, continuation) in enumerate(pairs):
        _check(len(context), len(continuation), number, config)
        shape = bucket(len(context) + len(continuation)), bucket(len(continuation))
        by_shape.setdefault(shape, []).append(number)
    found: dict[int, Likelihood] = {}
    for (width, asked), numbers in sorted(by_shape.items(), reverse=True):
        rows = max(1, TOKENS_PER_BATCH // width)
        for start in range(0, len(numbers), rows):
            part = numbers[start : start + rows]
            chosen = [pairs[number] for number in part]
            for number, likelihood in zip(
                part,
                _batch(params, chosen, (rows, width, asked), config, layout),
                strict=True,
            ):
                found[number] = likelihood
                on_scored(number, likelihood)
    return [found[number] for number in range(len(pairs))]


def _check(context: int, continuation: int, number: int, config: ModelConfig) -> None:
    if not context or not continuation:
        raise InputError(
            f"pair {number} has {context} tokens of context and {continuation} of"
            " continuation; expected at least one of each"
        )
    if context + continuation > config.max_positions:
        raise InputError(
            f"pair {number} has {context} tokens of context and {continuation} of"
            f" continuation; expected at most {config.max_positions} together (the"
            " model's max_position_embeddings)"
        )


def _batch(
    params: Params,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    shape: tuple[int, int, int],
    config: ModelConfig,
    layout: Layout | None,
) -> list[Likelihood]:
    """Likelihoods of pairs that fit one array of (rows, tokens, tokens asked for)."""
    rows, width, asked = shape
    sequences = [(*context, *continuation) for context, continuation in pairs]
    (arrays,) = padded(sequences, rows, width, left=False)
    before = np.zeros(rows, np.int32)  # column that predicts the first one asked for
    for row, (context, _) in enumerate(pairs):
        before[row] = len(context) - 1
    logprob_BT, is_best_BT = jax.tree.map(
        np.asarray,
        _score(params, *arrays, before, asked=asked, config=config, layout=layout),
    )
    return [
        Likelihood(
            float(logprob_BT[row, : len(continuation)].sum(dtype=np.float64)),
            bool(is_best_BT[row, : len(continuation)].all()),
        )
        for row, (_, continuation) in enumerate(pairs)
    ]


@functools.partial(jax.jit, static_argnames=("asked", "config", "layout"))
def _score(params, tokens, positions, segments, before_B, *, asked, config, layout):
    """Log-probability of tokens past `before_B`, and whether each is the likeliest."""
    hidden_BTD = forward(
        params, tokens, positions, segments, config=config, layout=layout
    ).hidden_BTD
    columns_BT = before_B[:, None] + jnp.arange(asked)[None]
    last = tokens.shape[1] - 1  # past a row's end: read, and never used
    take = lambda x, at: jnp.take_along_axis(x, jnp.minimum(at, last), axis=1)
    # On every device, so that each of several processes can read them.
    whole = lambda x: constrain(layout, x, None, None)
    scores = token_scores(
        jnp.take_along_axis(
            hidden_BTD, jnp.minimum(columns_BT, last)[..., None], axis=1
        ),
        head_table(params, config),
        take(tokens, columns_BT + 1),
    )
    return whole(scores.logprob_BT), whole(scores.rank_BT == 1)
