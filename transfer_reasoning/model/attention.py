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
    """softmax(q k / sqrt(E)) v where `mask` is true; [B, T, H, E] in query's dtype."""
    batch, length, heads, size = query_BTHE.shape
    kv_heads = key_BKSE.shape[1]
    query_BTKRE = query_BTHE.reshape(batch, length, kv_heads, heads // kv_heads, size)
    scores_BKRTS = jnp.einsum(
        "BTKRE,BKSE->BKRTS",
        query_BTKRE,
        key_BKSE,
        preferred_element_type=jnp.float32,
    )
    scores_BKRTS = jnp.where(
        mask_BTS[:, None, None], scores_BKRTS * size**-0.5, MASKED_SCORE
    )
    weights_BKRTS = jax.nn.softmax(scores_BKRTS, axis=-1)
    weights_BKRTS = jnp.where(mask_BTS[:, None, None], weights_BKRTS, 0.0)
    weights_BKRTS = weights_BKRTS.astype(value_BKSE.dtype)
    mixed_BTKRE = jnp.einsum("BKRTS,BKSE->BTKRE", weights_BKRTS, value_BKSE)
    return mixed_BTKRE.reshape(batch, length, heads, size)
