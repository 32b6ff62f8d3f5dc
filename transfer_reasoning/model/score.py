"""The third verb: what probability a model gives to given tokens.

Likelihood benchmarks and the KL and rank probes come here; training, which asks for
gradients and for less, goes to `model.head`. The vocabulary is taken in chunks
(`model.vocabulary`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.model.vocabulary import LARGEST, Chunks


class TokenScores(NamedTuple):
    """Of each target token, in nats: its log-probability, its rank among the whole
    vocabulary (1 = most likely), and the entropy of the distribution it came from."""

    logprob_BT: jax.Array
    rank_BT: jax.Array
    entropy_BT: jax.Array


def logits(hidden: jax.Array, table_VD: jax.Array) -> jax.Array:
    """Scores of the whole vocabulary, [..., V] float32."""
    return jnp.einsum(
        "...D,VD->...V",
        hidden,
        table_VD.astype(hidden.dtype),
        preferred_element_type=jnp.float32,
    )


def token_scores(
    hidden_BTD: jax.Array,
    table_VD: jax.Array,
    targets_BT: jax.Array,
    *,
    chunk: int = LARGEST,
) -> TokenScores:
    """Log-probability, rank and entropy of every target at temperature 1.

    Two passes: a rank needs the target's logit, and taking it from the same products
    as its rivals keeps rounding from making a token outrank itself.
    """

    def statistics(logits_BTC, columns_C):
        total = _logsumexp(logits_BTC)
        # Of log-probabilities, not of logits: large logits would cancel in the entropy.
        logprobs_BTC = logits_BTC - total[..., None]
        mean = jnp.sum(jnp.exp(logprobs_BTC) * logprobs_BTC, axis=-1)
        return total, mean, _pick(logits_BTC, columns_C, targets_BT)

    totals, means, picked = _over_chunks(statistics, [hidden_BTD], [table_VD], chunk)
    target_BT = picked.sum(0)
    total_BT = _logsumexp(jnp.moveaxis(totals, 0, -1))
    shares = totals - total_BT[None]
    entropy_BT = -jnp.sum(jnp.exp(shares) * (means + shares), axis=0)

    def above(logits_BTC, columns_C):
        return jnp.sum(logits_BTC > target_BT[..., None], axis=-1)

    rank_BT = 1 + _over_chunks(above, [hidden_BTD], [table_VD], chunk).sum(0)
    return TokenScores(target_BT - total_BT, rank_BT, entropy_BT)


class TokenPair(NamedTuple):
    """Two models p and q on the same tokens: scores of each, and KL(p||q), KL(q||p)."""

    scores: tuple[TokenScores, TokenScores]
    kl_BT: tuple[jax.Array, jax.Array]


def token_pair(
    hidden: Sequence[jax.Array],
    tables: Sequence[jax.Array],
    targets_BT: jax.Array,
    *,
    chunk: int = LARGEST,
) -> TokenPair:
    """Scores under two models of one vocabulary, and their divergence at each position.

    `hidden` and `tables` are pairs of [B, T, D] and [V, D]. Both divergences are exact
    sums over the vocabulary, in nats, taken chunk by chunk.
    """
    scores, totals = [], []
    for hidden_BTD, table_VD in zip(hidden, tables, strict=True):
        own = token_scores(hidden_BTD, table_VD, targets_BT, chunk=chunk)
        total = lambda logits_BTC, columns_C: _logsumexp(logits_BTC)
        parts = _over_chunks(total, [hidden_BTD], [table_VD], chunk)
        scores.append(own)
        totals.append(_logsumexp(jnp.moveaxis(parts, 0, -1))[..., None])

    def divergences(p_BTC, q_BTC, columns_C):
        log_p, log_q = p_BTC - totals[0], q_BTC - totals[1]
        difference = log_p - log_q
        return (
            jnp.sum(jnp.exp(log_p) * difference, axis=-1),
            -jnp.sum(jnp.exp(log_q) * difference, axis=-1),
        )

    forward, reverse = _over_chunks(divergences, hidden, tables, chunk)
    return TokenPair((scores[0], scores[1]), (forward.sum(0), reverse.sum(0)))


def _over_chunks(
    statistics: Callable,
    hidden: Sequence[jax.Array],
    tables: Sequence[jax.Array],
    chunk: int,
):
    """`statistics(*logits_BTC, columns_C)` of every vocabulary chunk, stacked.

    `hidden` and `tables` hold one array per model; all share the vocabulary.
    """
    chunks = Chunks(tables[0].shape[0], chunk)
    cut = [chunks.cut(table_VD) for table_VD in tables]

    def body(_, index):
        parts = [
            chunks.logits(hidden_BTD, table, index)
            for hidden_BTD, table in zip(hidden, cut, strict=True)
        ]
        return None, statistics(*parts, chunks.columns(index))

    return jax.lax.scan(body, None, jnp.arange(chunks.count))[1]


def _logsumexp(x: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(x, axis=-1)


def _pick(logits_BTC: jax.Array, columns_C: jax.Array, targets_BT: jax.Array):
    """The target's logit where this chunk holds it, else 0."""
    here = columns_C[None, None] == targets_BT[..., None]
    return jnp.sum(jnp.where(here, logits_BTC, 0.0), axis=-1)
