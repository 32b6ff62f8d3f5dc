"""Masked grouped-query attention: the plain XLA form, which is the reference.

Keys and values are [B, K, S, E]: with the positions of one head contiguous a decoding
step reads the cache 1.3 to 1.6 times faster on CPU than from [B, S, K, E]. Scores and
softmax are float32.
"""

import jax
import jax.numpy as jnp

# Finite, so that a query with nothing to attend to (padding) is no NaN; it gets zeros.
MASKED_SCORE = -1e30


def causal_mask(positions_BT: jax.Array, segments_BT: jax.Array) -> jax.Array:
    """May query t see key s? Same packed sequence, not later, not padding.

    Segment 0 is padding. Returns bool [B, T, S] with S = T.
    """
    same = segments_BT[:, :, None] == segments_BT[:, None, :]
    earlier = positions_BT[:, :, None] >= positions_BT[:, None, :]
    return same & earlier & (segments_BT[:, None, :] > 0)


def attend(
    query_BTHE: jax.Array,
    key_BKSE: jax.Array,
    value_BKSE: jax.Array,
    mask_BTS: jax.Array,
) -> jax.Array:
    """softmax(q k / sqrt(E)) v where `mask` is true; [B, T, H, E] in query's dtype.

    The softmax is written out so that masked columns at the end (a longer cache) change
    no bit. XLA's CPU backend rounds a sum by the length of what it sums, and the
    exponential and the scaling by whether the array is large enough for another library
    to fuse them with the maximum; a product with ones, scaling after the maximum and
    masking before the exponential keep all three out of its reach.
    """
    batch, length, heads, size = query_BTHE.shape
    kv_heads = key_BKSE.shape[1]
    query_BTKRE = query_BTHE.reshape(batch, length, kv_heads, heads // kv_heads, size)
    scores_BKRTS = jnp.einsum(
        "BTKRE,BKSE->BKRTS",
        query_BTKRE,
        key_BKSE,
        preferred_element_type=jnp.float32,
    )
    mask_BKRTS = mask_BTS[:, None, None]
    scores_BKRTS = jnp.where(mask_BKRTS, scores_BKRTS, MASKED_SCORE)
    top_BKRT1 = jax.lax.stop_gradient(jnp.max(scores_BKRTS, -1, keepdims=True))
    shifted_BKRTS = (scores_BKRTS - top_BKRT1) * size**-0.5
    weights_BKRTS = jnp.exp(jnp.where(mask_BKRTS, shifted_BKRTS, MASKED_SCORE))
    total_BKRT = jnp.einsum(
        "BKRTS,S->BKRT",
        weights_BKRTS,
        jnp.ones(mask_BTS.shape[-1]),
        precision=jax.lax.Precision.HIGHEST,
    )
    weights_BKRTS /= jnp.where(total_BKRT > 0, total_BKRT, 1.0)[..., None]
    weights_BKRTS = weights_BKRTS.astype(value_BKSE.dtype)
    mixed_BTKRE = jnp.einsum("BKRTS,BKSE->BTKRE", weights_BKRTS, value_BKSE)
    return mixed_BTKRE.reshape(batch, length, heads, size)
