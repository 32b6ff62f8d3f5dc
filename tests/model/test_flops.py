"""Operations of a step: by hand, and as XLA counts those of a real forward pass."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from tests.tiny import TINY
from transfer_reasoning.model.decoder import abstract_params, forward
from transfer_reasoning.model.flops import product_weights, training_flops


def test_the_small_model_by_hand():
    """Width 32, 4 heads and 2 for keys of 16, MLP 48, 3 layers, 96 words."""
    layer = 32 * 16 * (4 + 2 + 2 + 4) + 3 * 32 * 48
    assert product_weights(TINY) == 3 * layer + 32 * 96
    attention = 3 * 4 * 16 * (5**2 + 7**2)
    assert training_flops(TINY, [5, 7]) == 6 * (3 * layer + 32 * 96) * 12 + (
        6 * attention
    )


def test_qwen3_8b_is_six_times_its_weights_and_a_little():
    """Published: 8.2 G weights, 6.95 G of them without the embeddings."""
    config = dataclasses.replace(
        TINY,
        vocab_size=151_936,
        num_layers=36,
        width=4_096,
        num_heads=32,
        num_kv_heads=8,
        head_dim=128,
        mlp_width=12_288,
        tied_head=False,
    )
    head = config.vocab_size * config.width
    assert product_weights(config) - head == pytest.approx(6.95e9, rel=2e-3)
    per_token = training_flops(config, [4_096]) / 4_096
    assert per_token == pytest.approx(6 * (6.95e9 + head), rel=0.1)
    assert per_token > 6 * product_weights(config)


def test_a_forward_pass_is_a_third_of_it_as_xla_counts():
    """XLA counts the body of a loop once, so one layer, here without the head.

    Of the masked pairs, half of all, it computes those of the blocks on the diagonal: a
    quarter. What it counts beside is norms, rotations, softmax and sigmoid.
    """
    config = dataclasses.replace(
        TINY, num_layers=1, width=512, head_dim=64, mlp_width=2048
    )
    length = 128

    def run(params, tokens_BT):
        positions_BT = jnp.broadcast_to(jnp.arange(length), tokens_BT.shape)
        return forward(
            params, tokens_BT, positions_BT, jnp.ones_like(tokens_BT), config=config
        ).hidden_BTD

    tokens = jax.ShapeDtypeStruct((1, length), jnp.int32)
    compiled = jax.jit(run).lower(abstract_params(config), tokens).compile()
    masked = config.num_heads * config.head_dim * length**2
    head = 2 * length * config.vocab_size * config.width
    expected = training_flops(config, [length]) / 3 + masked - head
    counted = compiled.cost_analysis()["flops"]
    assert expected < counted < 1.05 * expected
