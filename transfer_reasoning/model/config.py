"""Shape and switches of one decoder-only transformer.

One decoder covers every checkpoint the paper evaluates (arXiv 2507.00432,
Tables 5 and 9-11): Qwen2.5, Qwen3, Llama 3.1 and Mistral-Small differ only in the
switches below. `from_hf` reads a Hugging Face `config.json` in its old
(`rope_theta`, `rope_scaling`) or new (`rope_parameters`) form and refuses, by
name, every field that would change the mathematics; `to_hf` writes one back.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from transfer_reasoning.types import InputError

ARCHITECTURES = {
    "qwen3": "Qwen3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
}

# Bounds that a hostile or broken config cannot exceed: checked before allocation.
LIMITS = {
    "num_hidden_layers": 512,
    "hidden_size": 65_536,
    "intermediate_size": 1_048_576,
    "num_attention_heads": 1_024,
    "num_key_value_heads": 1_024,
    "head_dim": 1_024,
    "vocab_size": 4_194_304,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Llama3Rope:
    """Frequency rescaling of Llama 3.1 (`rope_type: llama3`)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_positions: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides a decoder's arithmetic; hashable, so static in jit.

    Letters are those of `transfer_reasoning.types`: V `vocab_size`, N `num_layers`,
    D `width`, H `num_heads`, K `num_kv_heads`, E `head_dim`, F `mlp_width`.
    `compute_dtype` is the dtype of activations and matrix products; norms, softmax,
    rotary angles and log-probabilities are float32 whatever it is.
    """

    vocab_size: int
    num_layers: int
    width: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    mlp_width: int
    rope_theta: float = 1e6
    rope_scaling: Llama3Rope | None = None
    norm_eps: float = 1e-6
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: bool = True
    tied_head: bool = True
    max_positions: int = 40_960
    family: str = "qwen3"
    compute_dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.num_heads % self.num_kv_heads:
            raise InputError(
                f"num_heads is {self.num_heads} and num_kv_heads {self.num_kv_heads};"
                " expected a multiple: give each key/value head equally many queries"
            )
        if self.head_dim % 2:
            raise InputError(
                f"head_dim is {self.head_dim}; expected an even number, because rotary"
                " position embedding rotates pairs"
            )

    @property
    def num_parameters(self) -> int:
        """Number of stored weights (a tied head counts once)."""
        d, e = self.width, self.head_dim
        attention = d * e * 2 * (self.num_heads + self.num_kv_heads)
        biases = e * (self.num_heads + 2 * self.num_kv_heads) * self.qkv_bias
        biases += d * self.output_bias
        norms = 2 * d + 2 * e * self.qk_norm
        layer = attention + biases + norms + 3 * d * self.mlp_width
        embeddings = self.vocab_size * d * (1 if self.tied_head else 2)
        return embeddings + self.num_layers * layer + d


def from_hf(raw: Mapping[str, Any]) -> ModelConfig:
    """The decoder a Hugging Face `config.json` describes.

    Raises:
        InputError: a field is missing, out of range, or asks for arithmetic this
            decoder does not do (MoE, sliding window in use, soft-capping, another
            activation, quantisation); the message names the field.
    """
    family = raw.get("model_type")
    if family not in ARCHITECTURES:
        raise InputError(
            f"model_type is {family!r}; expected one of {', '.join(ARCHITECTURES)}"
        )
    _refuse_unsupported(raw, family)
    sizes = {name: _size(raw, name) for name in LIMITS if name != "head_dim"}
    heads = sizes["num_attention_heads"]
    head_dim = (
        _size(raw, "head_dim")
        if raw.get("head_dim") is not None
        else sizes["hidden_size"] // heads
    )
    theta, scaling = _rope(raw)
    return ModelConfig(
        vocab_size=sizes["vocab_size"],
        num_layers=sizes["num_hidden_layers"],
        width=sizes["hidden_size"],
        num_heads=heads,
        num_kv_heads=sizes["num_key_value_heads"],
        head_dim=head_dim,
        mlp_width=sizes["intermediate_size"],
        rope_theta=theta,
        rope_scaling=scaling,
        norm_eps=float(_required(raw, "rms_norm_eps")),
        # Qwen2's bias is built into its class (query, key, value only); elsewhere
        # `attention_bias` puts one on all four projections.
        qkv_bias=family == "qwen2" or bool(raw.get("attention_bias", False)),
        output_bias=family != "qwen2" and bool(raw.get("attention_bias", False)),
        qk_norm=family == "qwen3",
        tied_head=bool(raw.get("tie_word_embeddings", False)),
        max_positions=int(raw.get("max_position_embeddings", 40_960)),
        family=family,
    )


def to_hf(config: ModelConfig, *, dtype: str) -> dict[str, Any]:
    """The `config.json` that transformers 5 and `from_hf` both read."""
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.rope_theta}
    if config.rope_scaling is not None:
        rope |= {
            "rope_type": "llama3",
            "factor": config.rope_scaling.factor,
            "low_freq_factor": config.rope_scaling.low_freq_factor,
            "high_freq_factor": config.rope_scaling.high_freq_factor,
            "original_max_position_embeddings": (
                config.rope_scaling.original_max_positions
            ),
        }
    fields = {
        "architectures": [ARCHITECTURES[config.family]],
        "model_type": config.family,
        "vocab_size": config.vocab_size,
        "num_hidden_layers": config.num_layers,
        "hidden_size": config.width,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.mlp_width,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": rope,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tied_head,
        "max_position_embeddings": config.max_positions,
        "attention_dropout": 0.0,
        "dtype": dtype,
    }
    if config.family in ("qwen3", "llama"):
        fields["attention_bias"] = config.output_bias
    if config.family == "mistral":
        fields["sliding_window"] = None
    return fields


def _required(raw: Mapping[str, Any], name: str) -> Any:
    if raw.get(name) is None:
        raise InputError(
            f"config.json has no field {name!r}; expected one: the folder may be"
            " incomplete, download it again"
        )
    return raw[name]


def _size(raw: Mapping[str, Any], name: str) -> int:
    value = _required(raw, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"config.json field {name!r} is {value!r}; expected an int")
    if not 1 <= value <= LIMITS[name]:
        raise InputError(
            f"config.json field {name!r} is {value}; expected 1 to {LIMITS[name]}"
        )
    return value


def _rope(raw: Mapping[str, Any]) -> tuple[float, Llama3Rope | None]:
    """Rotary base and rescaling from either spelling of the config."""
    rope = dict(raw.get("rope_parameters") or raw.get("rope_scaling") or {})
    kind = rope.get("rope_type", rope.get("type", "default"))
    theta = float(rope.get("rope_theta", raw.get("rope_theta", 10_000.0)))
    if kind == "default":
        return theta, None
    if kind != "llama3":
        raise InputError(
            f"rope_type is {kind!r}; expected 'default' or 'llama3': other rescalings"
            " are not implemented"
        )
    original = rope.get("original_max_position_embeddings")
    return theta, Llama3Rope(
        factor=float(_required(rope, "factor")),
        low_freq_factor=float(_required(rope, "low_freq_factor")),
        high_freq_factor=float(_required(rope, "high_freq_factor")),
        original_max_positions=int(
            original
            if original is not None
            else _required(raw, "max_position_embeddings")
        ),
    )


def _refuse_unsupported(raw: Mapping[str, Any], family: str) -> None:
    # transformers' Mistral class slides over 4,096 positions where nothing is said.
    window = raw.get("sliding_window", 4096 if family == "mistral" else None)
    uses_window = window is not None and (
        raw.get("use_sliding_window", family == "mistral")
    )
    refusals = {
        "hidden_act": raw.get("hidden_act", "silu") != "silu",
        "sliding_window": bool(uses_window),
        "layer_types": "sliding_attention" in (raw.get("layer_types") or ()),
        "attention_bias": family == "mistral" and bool(raw.get("attention_bias")),
        "quantization_config": raw.get("quantization_config") is not None,
        "num_experts": bool(raw.get("num_experts") or raw.get("num_local_experts")),
        "attn_logit_softcapping": raw.get("attn_logit_softcapping") is not None,
        "final_logit_softcapping": raw.get("final_logit_softcapping") is not None,
        "mlp_bias": bool(raw.get("mlp_bias", False)),
        "pretraining_tp": raw.get("pretraining_tp", 1) not in (None, 1),
    }
    for name, refused in refusals.items():
        if refused:
            raise InputError(
                f"config.json field {name!r} is {raw.get(name)!r}, which changes the"
                " arithmetic; expected it unset: this decoder does not implement it"
            )
