"""The head of the model in training: what a policy gives to the tokens of its rows.

The vocabulary is taken in chunks, forward and backward (`model.vocabulary`). The
backward pass is written out: it makes each chunk's logits again, and puts the chunk's
part of the table's gradient where it belongs, instead of adding up as many whole tables
as there are chunks.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.model.partition import Layout, constrain, one_device
from transfer_reasoning.model.products import outer, times
from transfer_reasoning.model.vocabulary import LARGEST, Chunks


class Head(NamedTuple):
    """Hidden states after the final norm, and the output vocabulary's table."""

    hidden_BTD: jax.Array
    table_VD: jax.Array


class PolicyScores(NamedTuple):
    """Of each target token, in nats: its log-probability; the entropy of the policy
    there, without gradient; the policy's KL to a reference, 0 without one."""

    logprob_BT: jax.Array
    entropy_BT: jax.Array
    kl_BT: jax.Array


def policy_scores(
    policy: Head,
    targets_BT: jax.Array,
    *,
    reference: Head | None = None,
    temperature: float = 1.0,
    chunk: int = LARGEST,
    layout: Layout | None = None,
) -> PolicyScores:
    """Scores of the targets under softmax(logits / temperature), float32 [B, T] each.

    With a reference, whose part has no gradient, the KL is exact: with a chunk's shares
    s in each whole it is the sum over chunks of s_p (KL within + log s_p - log s_q).
    """
    chunks = Chunks(policy.table_VD.shape[0], chunk, temperature, layout)
    if not one_device(layout):
        return _scores(chunks, policy, reference, targets_BT)
    # Positions as one axis: see `decoder.forward`.
    policy, reference = jax.tree.map(
        lambda x: x.reshape(-1, x.shape[-1]), (policy, reference)
    )
    scores = _scores(chunks, policy, reference, targets_BT.reshape(-1))
    return jax.tree.map(lambda x: x.reshape(targets_BT.shape), scores)


def _cut(chunks: Chunks, head: Head) -> jax.Array:
    """The table in chunks, in the dtype it is multiplied in: where devices bring it
    together, that is what travels."""
    return chunks.cut(head.table_VD.astype(head.hidden_BTD.dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _scores(chunks: Chunks, policy: Head, reference: Head | None, targets_BT):
    return _forward(chunks, policy, reference, targets_BT)[0]


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
    top_BT1 = jnp.max(logits_BTC, axis=-1, keepdims=True)
    # Without this, which changes nothing, that backend fuses the maximum with the
    # product before it, at a fifth of the time.
    top_BT1 = jnp.where(jnp.isfinite(top_BT1), top_BT1, 0.0)
    weights_BTC = jnp.exp(logits_BTC - top_BT1)
    sum_BT = jnp.sum(weights_BTC, axis=-1)
    total_BT = jnp.log(sum_BT) + top_BT1[..., 0]
    highest = jax.lax.Precision.HIGHEST
    mean = lambda x_BTC: (
        jnp.einsum("...C,...C->...", weights_BTC, x_BTC, precision=highest) / sum_BT
    )
    return _Softmax(total_BT, logits_BTC - total_BT[..., None], mean)


def _forward(chunks, policy, reference, targets_BT):
    heads = [policy] if reference is None else [policy, reference]
    tables = [_cut(chunks, head) for head in heads]

    def body(_, index):
        logits = [
            chunks.logits(head.hidden_BTD, table, index)
            for head, table in zip(heads, tables, strict=True)
        ]
        parts = [_softmax(logits_BTC) for logits_BTC in logits]
        own = parts[0]
        picked_BT = chunks.pick(logits[0], index, targets_BT)
        # Of log-probabilities: large logits would cancel in the entropy.
        means = [own.mean(own.logprobs_BTC)]
        means += [
            own.mean(own.logprobs_BTC - other.logprobs_BTC) for other in parts[1:]
        ]
        kept = logits[0] if chunks.count == 1 else None
        return None, ([part.total_BT for part in parts], means, picked_BT, kept)

    _, found = jax.lax.scan(body, None, jnp.arange(chunks.count))
    totals, means, picked, kept = found
    whole = [jax.nn.logsumexp(total, axis=0) for total in totals]
    shares = [total - all_BT[None] for total, all_BT in zip(totals, whole, strict=True)]
    weights = jnp.exp(shares[0])
    entropy_BT = -jnp.sum(weights * (means[0] + shares[0]), axis=0)
    kl_BT = jnp.zeros_like(entropy_BT)
    if reference is not None:
        kl_BT = jnp.sum(weights * (means[1] + shares[0] - shares[1]), axis=0)
    scores = PolicyScores(picked.sum(0) - whole[0], entropy_BT, kl_BT)
    return scores, (policy, reference, targets_BT, whole, kl_BT, kept)


def _backward(chunks, saved, slopes: PolicyScores):
    """d log p_t / d logit_j is [j = t] - p_j; d KL / d logit_j is
    p_j (log p_j - log q_j - KL)."""
    policy, reference, targets_BT, whole, kl_BT, kept = saved
    hidden_BTD, dtype = policy.hidden_BTD, policy.hidden_BTD.dtype
    table = _cut(chunks, policy)
    last = lambda x_BT: x_BT[..., None]

    def logit_slopes(index):
        logits_BTC = (
            chunks.logits(hidden_BTD, table, index) if kept is None else kept[0]
        )
        logprobs_BTC = logits_BTC - last(whole[0])
        here_BTC = chunks.holds(index, targets_BT)
        weight_BTC = last(-slopes.logprob_BT)
        if reference is not None:
            other_BTC = chunks.logits(
                reference.hidden_BTD, _cut(chunks, reference), index
            )
            excess_BTC = logprobs_BTC - other_BTC + last(whole[1] - kl_BT)
            weight_BTC = weight_BTC + last(slopes.kl_BT) * excess_BTC
        slope_BTC = jnp.exp(logprobs_BTC) * weight_BTC
        slope_BTC += jnp.where(here_BTC, last(slopes.logprob_BT), 0.0)
        return (slope_BTC / chunks.temperature).astype(dtype)

    def body(carry, index):
        hidden_slope_BTD, table_slope = carry
        slope_BTC = logit_slopes(index)
        part_CD = jax.lax.dynamic_index_in_dim(table, index, 1, keepdims=False)
        hidden_slope_BTD += times(slope_BTC, part_CD, jnp.float32)
        (part_slope_CD,) = outer(slope_BTC, (hidden_BTD,))
        return (
            hidden_slope_BTD,
            jax.lax.dynamic_update_index_in_dim(table_slope, part_slope_CD, index, 1),
        ), None

    zeros = lambda shape: jnp.zeros(shape, jnp.float32)
    table_slope = constrain(chunks.layout, zeros(table.shape), "vocab", None, "embed")
    start = zeros(hidden_BTD.shape), table_slope
    (hidden_slope_BTD, table_slope), _ = jax.lax.scan(
        body, start, jnp.arange(chunks.count)
    )
    table_slope_VD = table_slope.reshape(-1, table.shape[-1])[: chunks.vocab]
    head = Head(
        hidden_slope_BTD.astype(dtype), table_slope_VD.astype(policy.table_VD.dtype)
    )
    return head, None, None


_scores.defvjp(_forward, _backward)
