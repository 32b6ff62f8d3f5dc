"""Rotary position embedding (arXiv 2104.09864), half-split as in Hugging Face.

Angles, sines and cosines are float32 whatever the compute dtype, because at position
32k a bfloat16 angle has lost every bit that tells neighbours apart. There, even one
unit in the last place of a frequency moves an angle by 1e-3, so the frequencies take
the roundings of the reference (transformers' `modeling_rope_utils`), step by step.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from transfer_reasoning.model.config import Llama3Rope, ModelConfig


def inverse_frequencies(config: ModelConfig) -> np.ndarray:
    """theta^(-2i/E) for i < E/2, rescaled where the checkpoint asks; float32 [E/2]."""
    pairs = np.arange(0, config.head_dim, 2, dtype=np.float32)
    exponents = pairs / np.float32(config.head_dim)
    # The power is rounded once from float64: NumPy's float32 power is off more often.
    powers = np.float64(config.rope_theta) ** exponents.astype(np.float64)
    frequencies = np.float32(1.0) / powers.astype(np.float32)
    if config.rope_scaling is None:
        return frequencies
    return _llama3(frequencies, config.rope_scaling)


def _llama3(frequencies: np.ndarray, scaling: Llama3Rope) -> np.ndarray:
    """Llama 3.1: long wavelengths divided by `factor`, the middle band blended."""
    original, factor = scaling.original_max_positions, np.float32(scaling.factor)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    wavelengths = np.float32(2 * math.pi) / frequencies
    slowed = np.where(wavelengths > original / low, frequencies / factor, frequencies)
    blend = (np.float32(original) / wavelengths - np.float32(low)) / np.float32(
        high - low
    )
    blended = (1 - blend) * slowed / factor + blend * slowed
    middle = (wavelengths >= original / high) & (wavelengths <= original / low)
    return np.where(middle, blended, slowed).astype(np.float32)


def rotation(config: ModelConfig, positions_BT: jax.Array) -> tuple[jax.Array, ...]:
    """Cosines and sines of every position's angles, float32 [B, T, E/2] each."""
    frequencies_11E = inverse_frequencies(config)[None, None]
    angles = positions_BT[..., None].astype(jnp.float32) * frequencies_11E
    return jnp.cos(angles), jnp.sin(angles)


def rotate(x_BTHE: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """`x` rotated by its position, pairing element i with element i + E/2."""
    first, second = jnp.split(x_BTHE.astype(jnp.float32), 2, axis=-1)
    cosine, sine = cosine[..., None, :], sine[..., None, :]
    rotated = jnp.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
    return rotated.astype(x_BTHE.dtype)
