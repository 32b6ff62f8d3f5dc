"""Masked grouped-query attention: of a decoding step, and of rows of packed sequences.

A cache holds keys as [B, K, E, S] and values as [B, K, S, E]: a decoding step adds up
contiguous rows of both. Scores and softmax are float32. In this file Q counts the R
query heads of a key/value head times the positions of a block.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from transfer_reasoning.model.fused_attention import cudnn, cudnn_takes, splash
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.model.products import alone
from transfer_reasoning.shapes import bucket

# Finite, so that a query with nothing to attend to (padding) is no NaN; it gets zeros.
MASKED_SCORE = -1e30
BLOCK, MOST_BLOCKS = 64, 16
# So many numbers of a head's cache are added up in one order by XLA's CPU backend.
UNSPLIT = 32_768


def cache_columns(length: int, size: int) -> int:
    """Columns of a cache for `length` tokens and heads of `size`."""
    piece = _piece(size)
    return bucket(length) if length <= piece else -(-length // piece) * piece


def attend_cache(
    query_BHE: jax.Array,
    key_BKES: jax.Array,
    value_BKSE: jax.Array,
    length_B: jax.Array,
) -> jax.Array:
    """One query a row against the first `length_B` columns of its cache, [B, H, E].

    A cache has `cache_columns` columns. Softmax and sums are written out so that a
    longer one changes no bit. XLA's CPU backend rounds a sum by the length of what it
    sums, and the exponential and the scaling by whether the array is large enough for
    another library to fuse them with the maximum; a product with ones, scaling after
    the maximum and masking before the exponential keep all three out of its reach.
    """
    batch, heads, size = query_BHE.shape
    kv_heads, columns = key_BKES.shape[1], key_BKES.shape[3]
    query_BKRE = query_BHE.reshape(batch, kv_heads, heads // kv_heads, size)
    seen_BKRS = (jnp.arange(columns)[None] < length_B[:, None])[:, None, None]
    scores_BKRS = _few(
        "BKRE,BKES->BKRS", query_BKRE, key_BKES, on_cpu=_scores_in_pieces
    )
    scores_BKRS = jnp.where(seen_BKRS, scores_BKRS, MASKED_SCORE)
    top_BKR1 = jnp.max(scores_BKRS, -1, keepdims=True)
    shifted_BKRS = (scores_BKRS - top_BKR1) * size**-0.5
    weights_BKRS = jnp.exp(jnp.where(seen_BKRS, shifted_BKRS, MASKED_SCORE))
    total_BKR = jnp.einsum(
        "BKRS,S->BKR",
        weights_BKRS,
        jnp.ones(columns),
        precision=jax.lax.Precision.HIGHEST,
    )
    weights_BKRS /= jnp.where(total_BKR > 0, total_BKR, 1.0)[..., None]
    weights_BKRS = weights_BKRS.astype(value_BKSE.dtype)
    mixed_BKRE = _few(
        "BKRS,BKSE->BKRE", weights_BKRS, value_BKSE, on_cpu=_values_in_pieces
    )
    return mixed_BKRE.reshape(batch, heads, size).astype(query_BHE.dtype)


def _few(spec: str, few: jax.Array, many: jax.Array, *, on_cpu: Callable) -> jax.Array:
    """A product whose left side has few rows a head, float32 [B, K, R, ...].

    XLA's CPU backend reads a cache four times faster when told to multiply and add than
    when told to make a product; but the order it adds in hangs on the cache's size, so
    there it is read in pieces of one size.
    """
    product = lambda few, many: _product(spec, few, many)
    return jax.lax.platform_dependent(few, many, cpu=on_cpu, default=product)


def _scores_in_pieces(query_BKRE: jax.Array, key_BKES: jax.Array) -> jax.Array:
    columns, piece = key_BKES.shape[3], _piece(key_BKES.shape[2])
    if columns <= piece:
        return _sums(query_BKRE, key_BKES)
    part = lambda start: _sums(
        query_BKRE, jax.lax.dynamic_slice_in_dim(key_BKES, start, piece, axis=3)
    )
    parts = jax.lax.map(part, jnp.arange(0, columns, piece))
    return jnp.moveaxis(parts, 0, 3).reshape(*query_BKRE.shape[:3], columns)


def _values_in_pieces(weights_BKRS: jax.Array, value_BKSE: jax.Array) -> jax.Array:
    columns, piece = value_BKSE.shape[2], _piece(value_BKSE.shape[3])
    if columns <= piece:
        return _sums(weights_BKRS, value_BKSE)
    cut = jax.lax.dynamic_slice_in_dim

    def add(total_BKRE, start):
        part = _sums(
            cut(weights_BKRS, start, piece, axis=3),
            cut(value_BKSE, start, piece, axis=2),
        )
        return total_BKRE + part, None

    zeros = jnp.zeros((*weights_BKRS.shape[:3], value_BKSE.shape[3]))
    return jax.lax.scan(add, zeros, jnp.arange(0, columns, piece))[0]


def _sums(few_BKRX: jax.Array, many_BKXY: jax.Array) -> jax.Array:
    few, many = few_BKRX.astype(jnp.float32), many_BKXY.astype(jnp.float32)
    return jnp.sum(few[..., None] * many[:, :, None], axis=3)


def _piece(size: int) -> int:
    """The largest power of two of columns that stays within UNSPLIT."""
    return 1 << (UNSPLIT // size).bit_length() - 1


def attend_rows(
    query_BTHE: jax.Array,
    key_BKTE: jax.Array,
    value_BKTE: jax.Array,
    segments_BT: jax.Array,
    *,
    layout: Layout | None = None,
) -> jax.Array:
    """Causal attention within the packed sequences of each row, [B, T, H, E].

    Position t sees the positions up to it that have its segment number; 0 is padding,
    which sees nothing and gets zeros. The devices of `layout` choose who computes it.
    """
    operands = query_BTHE, key_BKTE, value_BKTE, segments_BT
    platform = layout.platform if layout else None
    if layout and platform == "tpu":
        return splash(*operands, layout=layout)
    if layout and platform == "gpu" and cudnn_takes(query_BTHE):
        return cudnn(*operands, layout=layout)
    return attend_blocks(*operands)


@jax.custom_vjp
def attend_blocks(
    query_BTHE: jax.Array,
    key_BKTE: jax.Array,
    value_BKTE: jax.Array,
    segments_BT: jax.Array,
) -> jax.Array:
    """`attend_rows` in plain XLA, which runs everywhere: what the kernels must equal.

    Queries go block by block against the keys up to the block's end, so the masked half
    of the scores is mostly not computed. The derivatives are written out: they pass
    over the scores half as often as XLA's.
    """
    return _attend_blocks(query_BTHE, key_BKTE, value_BKTE, segments_BT)[0]


class _Block(NamedTuple):
    """What the backward pass needs of a block of queries."""

    query_BKQE: jax.Array
    weights_BKQS: jax.Array  # not divided by their sum
    inverse_BKQ1: jax.Array  # of that sum
    mixed_BKQE: jax.Array  # float32


def _attend_blocks(query_BTHE, key_BKTE, value_BKTE, segments_BT):
    blocks, mixed = [], []
    for start, stop in _bounds(query_BTHE.shape[1]):
        block = _attend_block(
            _fold(query_BTHE[:, start:stop], key_BKTE.shape[1]),
            key_BKTE[:, :, :stop],
            value_BKTE[:, :, :stop],
            _causal_mask(segments_BT, start, stop),
        )
        blocks.append(block)
        mixed.append(_unfold(block.mixed_BKQE, stop - start).astype(query_BTHE.dtype))
    return jnp.concatenate(mixed, axis=1), (key_BKTE, value_BKTE, blocks)


def _attend_block(query_BKQE, key_BKSE, value_BKSE, mask_BTS) -> _Block:
    mask_BKQS = jnp.tile(
        mask_BTS[:, None], (1, 1, query_BKQE.shape[2] // mask_BTS.shape[1], 1)
    )
    scores_BKQS = _product("BKQE,BKSE->BKQS", query_BKQE, key_BKSE)
    scores_BKQS = jnp.where(mask_BKQS, scores_BKQS, MASKED_SCORE)
    top_BKQ1 = jnp.max(scores_BKQS, -1, keepdims=True)
    scale = query_BKQE.shape[-1] ** -0.5
    weights_BKQS = jnp.exp((scores_BKQS - top_BKQ1) * scale)
    weights_BKQS = jnp.where(mask_BKQS, weights_BKQS, 0.0)
    total_BKQ1 = jnp.sum(weights_BKQS, -1, keepdims=True)
    inverse_BKQ1 = 1.0 / jnp.where(total_BKQ1 > 0, total_BKQ1, 1.0)
    weights_BKQS = weights_BKQS.astype(value_BKSE.dtype)
    # Divided after the product with the values, which are narrower than the scores.
    mixed_BKQE = _product("BKQS,BKSE->BKQE", weights_BKQS, value_BKSE) * inverse_BKQ1
    return _Block(query_BKQE, weights_BKQS, inverse_BKQ1, mixed_BKQE)


def _attend_blocks_backward(saved, slope_BTHE):
    key_BKTE, value_BKTE, blocks = saved
    bounds = _bounds(slope_BTHE.shape[1])
    slopes, key_parts, value_parts = [], [], []
    for (start, stop), block in zip(bounds, blocks, strict=True):
        query_part, *parts = _block_slopes(
            block,
            _fold(slope_BTHE[:, start:stop], key_BKTE.shape[1]),
            key_BKTE[:, :, :stop],
            value_BKTE[:, :, :stop],
        )
        slopes.append(_unfold(query_part, stop - start).astype(slope_BTHE.dtype))
        beyond = ((0, 0), (0, 0), (0, slope_BTHE.shape[1] - stop), (0, 0))
        key_part, value_part = (jnp.pad(part, beyond) for part in parts)
        key_parts.append(key_part)
        value_parts.append(value_part)
    return (
        jnp.concatenate(slopes, axis=1),
        sum(key_parts[1:], key_parts[0]).astype(key_BKTE.dtype),
        sum(value_parts[1:], value_parts[0]).astype(value_BKTE.dtype),
        None,
    )


def _block_slopes(block: _Block, slope_BKQE, key_BKSE, value_BKSE):
    """Derivatives by a block's queries, and its part of those by keys and values."""
    dtype = key_BKSE.dtype
    inner_BKQ1 = jnp.sum(slope_BKQE * block.mixed_BKQE, -1, keepdims=True)
    inner_BKQ1 *= block.inverse_BKQ1
    slope_BKQE = (slope_BKQE * block.inverse_BKQ1).astype(dtype)
    weight_slope_BKQS = _product("BKQE,BKSE->BKQS", slope_BKQE, value_BKSE)
    scale = slope_BKQE.shape[-1] ** -0.5
    score_slope_BKQS = block.weights_BKQS * (weight_slope_BKQS - inner_BKQ1) * scale
    score_slope_BKQS = alone(score_slope_BKQS.astype(dtype))
    turned = lambda x_BKQS: alone(x_BKQS.swapaxes(2, 3))
    return (
        _product("BKQS,BKSE->BKQE", score_slope_BKQS, key_BKSE),
        _product("BKSQ,BKQE->BKSE", turned(score_slope_BKQS), block.query_BKQE),
        _product("BKSQ,BKQE->BKSE", turned(block.weights_BKQS), slope_BKQE),
    )


attend_blocks.defvjp(_attend_blocks, _attend_blocks_backward)


def _bounds(length: int) -> list[tuple[int, int]]:
    """Start and end of every block of queries: of BLOCK, or of what keeps them few."""
    size = max(BLOCK, math.ceil(length / MOST_BLOCKS))
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def _causal_mask(segments_BT: jax.Array, start: int, stop: int) -> jax.Array:
    """May queries start to stop see keys up to stop? bool [B, stop - start, stop]."""
    own, others = segments_BT[:, start:stop, None], segments_BT[:, None, :stop]
    earlier = jnp.arange(start, stop)[None, :, None] >= jnp.arange(stop)[None, None]
    return (own == others) & (others > 0) & earlier


def _fold(x_BTHE: jax.Array, kv_heads: int) -> jax.Array:
    """The query heads of a key/value head side by side: [B, K, R * T, E]."""
    batch, length, heads, size = x_BTHE.shape
    x_BTKRE = x_BTHE.reshape(batch, length, kv_heads, heads // kv_heads, size)
    folded = x_BTKRE.transpose(0, 2, 3, 1, 4).reshape(batch, kv_heads, -1, size)
    return alone(folded)


def _unfold(x_BKQE: jax.Array, length: int) -> jax.Array:
    """`_fold` undone: [B, T, H, E]."""
    batch, kv_heads, queries, size = x_BKQE.shape
    x_BKRTE = x_BKQE.reshape(batch, kv_heads, queries // length, length, size)
    return x_BKRTE.transpose(0, 3, 1, 2, 4).reshape(batch, length, -1, size)


def _product(spec: str, left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.einsum(spec, left, right, preferred_element_type=jnp.float32)
