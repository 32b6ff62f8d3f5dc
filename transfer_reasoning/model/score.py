"""The third verb: what probability a model gives to given tokens.

Training (policy, old and reference log-probabilities), likelihood benchmarks and the
KL and rank probes all come here. The vocabulary is taken in chunks, so that no
[B, T, V] array exists: with V = 151,936 and 16k tokens that array alone would be
9.3 GiB in float32. Products accumulate, and everything after them is, in float32.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.model.attention import MASKED_SCORE

DEFAULT_CHUNK = 16_384


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


def token_logprobs(
    hidden_BTD: jax.Array,
    table_VD: jax.Array,
    targets_BT: jax.Array,
    *,
    temperature: float | jax.Array = 1.0,
    chunk: int = DEFAULT_CHUNK,
) -> jax.Array:
    """log softmax(logits / temperature)[target], [B, T] float32; differentiable.

    Each chunk is recomputed in the backward pass, so memory is one chunk's logits.
    """

    def statistics(logits_BTC, columns_C):
        scaled = logits_BTC / temperature
        return _logsumexp(scaled), _pick(scaled, columns_C, targets_BT)

    total, picked = _over_chunks(statistics, [hidden_BTD], [table_VD], chunk)
    return picked.sum(0) - _logsumexp(jnp.moveaxis(total, 0, -1))


def token_scores(
    hidden_BTD: jax.Array,
    table_VD: jax.Array,
    targets_BT: jax.Array,
    *,
    chunk: int = DEFAULT_CHUNK,
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


class PolicyScores(NamedTuple):
    """Of each target token, in nats: its log-probability; the entropy of the policy
    there, without gradient; the policy's KL to a reference, 0 without one."""

    logprob_BT: jax.Array
    entropy_BT: jax.Array
    kl_BT: jax.Array


def policy_scores(
    hidden_BTD: jax.Array,
    table_VD: jax.Array,
    targets_BT: jax.Array,
    *,
    temperature: float | jax.Array = 1.0,
    chunk: int = DEFAULT_CHUNK,
) -> PolicyScores:
    """`token_logprobs`, and the entropy in the same pass over the vocabulary."""

    def statistics(logits_BTC, columns_C):
        scaled = logits_BTC / temperature
        part = _softmax(scaled)
        own = jax.lax.stop_gradient(part.mean(part.logprobs_BTC))
        return part.total_BT, own, _pick(scaled, columns_C, targets_BT)

    totals, means, picked = _over_chunks(statistics, [hidden_BTD], [table_VD], chunk)
    total_BT, shares = _whole(totals)
    entropy_BT = -jax.lax.stop_gradient(jnp.sum(jnp.exp(shares) * (means + shares), 0))
    logprob_BT = picked.sum(0) - total_BT
    return PolicyScores(logprob_BT, entropy_BT, jnp.zeros_like(logprob_BT))


def policy_scores_against(
    hidden: Sequence[jax.Array],
    tables: Sequence[jax.Array],
    targets_BT: jax.Array,
    *,
    temperature: float | jax.Array = 1.0,
    chunk: int = DEFAULT_CHUNK,
) -> PolicyScores:
    """`policy_scores`, and the exact KL(policy || reference) in the same pass.

    `hidden` and `tables` are the policy's and the reference's; only the policy's have a
    gradient. Both distributions are taken at `temperature`. With shares s of a chunk in
    each whole, KL = sum over chunks of s_p (KL within the chunk + log s_p - log s_q).
    """
    fixed_BTD, fixed_VD = jax.lax.stop_gradient((hidden[1], tables[1]))

    def statistics(logits_BTC, reference_BTC, columns_C):
        scaled = logits_BTC / temperature
        part, other = _softmax(scaled), _softmax(reference_BTC / temperature)
        own = jax.lax.stop_gradient(part.mean(part.logprobs_BTC))
        within_BT = part.mean(part.logprobs_BTC - other.logprobs_BTC)
        picked_BT = _pick(scaled, columns_C, targets_BT)
        return part.total_BT, other.total_BT, own, within_BT, picked_BT

    totals, other_totals, means, within, picked = _over_chunks(
        statistics, [hidden[0], fixed_BTD], [tables[0], fixed_VD], chunk
    )
    total_BT, shares = _whole(totals)
    _, other_shares = _whole(other_totals)
    entropy_BT = -jax.lax.stop_gradient(jnp.sum(jnp.exp(shares) * (means + shares), 0))
    kl_BT = jnp.sum(jnp.exp(shares) * (within + shares - other_shares), axis=0)
    return PolicyScores(picked.sum(0) - total_BT, entropy_BT, kl_BT)


class TokenPair(NamedTuple):
    """Two models p and q on the same tokens: scores of each, and KL(p||q), KL(q||p)."""

    scores: tuple[TokenScores, TokenScores]
    kl_BT: tuple[jax.Array, jax.Array]


def token_pair(
    hidden: Sequence[jax.Array],
    tables: Sequence[jax.Array],
    targets_BT: jax.Array,
    *,
    chunk: int = DEFAULT_CHUNK,
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

    Chunk i holds columns i, i + n, i + 2n, ...: a strided slice leaves a vocabulary
    sharded in blocks where it is, a contiguous one would gather it.
    """
    vocab = tables[0].shape[0]
    num_chunks = _num_chunks(vocab, chunk)
    per_chunk = -(-vocab // num_chunks)
    padding = per_chunk * num_chunks - vocab
    strided = [
        jnp.pad(table_VD, ((0, padding), (0, 0))).reshape(per_chunk, num_chunks, -1)
        for table_VD in tables
    ]

    def body(_, index):
        columns_C = index + num_chunks * jnp.arange(per_chunk)
        real_11C = (columns_C < vocab)[None, None]
        parts = []
        for hidden_BTD, table in zip(hidden, strided, strict=True):
            part_CD = jax.lax.dynamic_index_in_dim(table, index, 1, keepdims=False)
            logits_BTC = logits(hidden_BTD, part_CD)
            if padding:
                logits_BTC = jnp.where(real_11C, logits_BTC, MASKED_SCORE)
            parts.append(logits_BTC)
        return None, statistics(*parts, columns_C)

    if num_chunks == 1:  # nothing to save by recomputing
        return jax.tree.map(lambda x: x[None], body(None, jnp.int32(0))[1])
    return jax.lax.scan(jax.checkpoint(body), None, jnp.arange(num_chunks))[1]


def _num_chunks(vocab: int, chunk: int) -> int:
    """Chunks of at most `chunk` columns, a divisor of `vocab` where one is near."""
    least = -(-vocab // chunk)
    divisors = (n for n in range(least, 2 * least) if vocab % n == 0)
    return next(divisors, least)


class _Softmax(NamedTuple):
    """A distribution over a chunk's columns; `mean` is taken under it."""

    total_BT: jax.Array
    logprobs_BTC: jax.Array
    mean: Callable[[jax.Array], jax.Array]


def _softmax(logits_BTC: jax.Array) -> _Softmax:
    """Written out, so that one exponential serves the total and every mean.

    A mean is a product of matrices: XLA's CPU backend fuses a sum of products with the
    exponential, which it then takes again, one number at a time.
    """
    top_BT1 = jax.lax.stop_gradient(jnp.max(logits_BTC, axis=-1, keepdims=True))
    # As logsumexp has it. Without it XLA's CPU backend fuses the maximum with the
    # product before it, and a backward pass takes a fifth longer.
    top_BT1 = jnp.where(jnp.isfinite(top_BT1), top_BT1, 0.0)
    weights_BTC = jnp.exp(logits_BTC - top_BT1)
    sum_BT = jnp.sum(weights_BTC, axis=-1)
    total_BT = jnp.log(sum_BT) + top_BT1[..., 0]
    mean = lambda x_BTC: (
        jnp.einsum(
            "BTC,BTC->BT", weights_BTC, x_BTC, precision=jax.lax.Precision.HIGHEST
        )
        / sum_BT
    )
    return _Softmax(total_BT, logits_BTC - total_BT[..., None], mean)


def _whole(totals: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The logsumexp of all chunks, and the logarithm of each one's share in it."""
    total_BT = _logsumexp(jnp.moveaxis(totals, 0, -1))
    return total_BT, totals - total_BT[None]


def _logsumexp(x: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(x, axis=-1)


def _pick(logits_BTC: jax.Array, columns_C: jax.Array, targets_BT: jax.Array):
    """The target's logit where this chunk holds it, else 0."""
    here = columns_C[None, None] == targets_BT[..., None]
    return jnp.sum(jnp.where(here, logits_BTC, 0.0), axis=-1)
