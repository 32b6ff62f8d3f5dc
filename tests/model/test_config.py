"""Reading `config.json`: both spellings, and refusal by name."""

import pytest

from tests.tiny import TINY, VARIANTS
from transfer_reasoning.model.config import ModelConfig, from_hf, to_hf

QWEN3_8B = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "use_sliding_window": False,
    "sliding_window": None,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_our_config_survives_a_round_trip(name):
    config = VARIANTS[name]
    assert from_hf(to_hf(config, dtype="float32")) == config


def test_old_and_new_rope_spellings_agree():
    new = {k: v for k, v in QWEN3_8B.items() if not k.startswith("rope")}
    new["rope_parameters"] = {"rope_type": "default", "rope_theta": 1000000.0}
    assert from_hf(QWEN3_8B) == from_hf(new)


def test_published_sizes_count_their_published_parameters():
    assert round(from_hf(QWEN3_8B).num_parameters / 1e9, 2) == 8.19
    small = QWEN3_8B | {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "tie_word_embeddings": True,
    }
    assert from_hf(small).num_parameters == 596_049_920  # Qwen3-0.6B


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "mamba"),
        ("hidden_act", "gelu"),
        ("num_experts", 128),
        ("quantization_config", {"bits": 4}),
        ("final_logit_softcapping", 30.0),
        ("rope_scaling", {"rope_type": "yarn", "factor": 4.0}),
        ("layer_types", ["full_attention", "sliding_attention"]),
        ("num_hidden_layers", -1),
        ("num_hidden_layers", 10**9),
        ("hidden_size", "4096"),
        ("vocab_size", None),
        ("rms_norm_eps", None),
    ],
)
def test_what_changes_the_arithmetic_is_refused_by_name(field, value):
    name = "rope_type" if field == "rope_scaling" else field
    with pytest.raises(ValueError, match=name):
        from_hf(QWEN3_8B | {field: value})


def test_a_sliding_window_in_use_is_refused():
    raw = QWEN3_8B | {"sliding_window": 4096}
    assert from_hf(raw) == from_hf(QWEN3_8B)  # present, but switched off
    with pytest.raises(ValueError, match="sliding_window"):
        from_hf(raw | {"use_sliding_window": True})


def test_heads_must_divide():
    with pytest.raises(ValueError, match="num_kv_heads"):
        ModelConfig(**(vars(TINY) | {"num_kv_heads": 3}))
