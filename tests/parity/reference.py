"""Random small transformers models of each family, the same on every machine."""

from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.golden.weights import drawn

SHARP = 4.0  # scores of standard deviation 16: most queries look at one key
DEFAULTS = {
    "vocab_size": 211,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
}


class Variant(NamedTuple):
    """A family, its config fields where they are not DEFAULTS, and how sharp it is."""

    family: str
    fields: dict[str, Any]
    sharpness: float = 1.0


def rope(theta: float, original: int | None = None) -> dict[str, Any]:
    """`rope_parameters`; Llama 3.1's rescaling where an `original` length is given."""
    if original is None:
        return {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}
    scaling = {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": original,
    }
    return {"rope_parameters": scaling}


def _sharp(family: str, **fields: Any) -> Variant:
    return Variant(family, {"num_hidden_layers": 2} | fields, SHARP)


def but(variant: Variant, sharpness: float | None = None, **fields: Any) -> Variant:
    """`variant` with other fields, and another sharpness where one is given."""
    return Variant(
        variant.family,
        variant.fields | fields,
        variant.sharpness if sharpness is None else sharpness,
    )


# What each family's class allows: Qwen2's has its bias built in, Mistral's has none.
BIASES = {"qwen2": [None], "qwen3": [False, True], "llama": [False, True]}
ROPES = {
    "qwen2": rope(1e6),
    "qwen3": rope(1e6) | {"head_dim": 32},
    "llama": rope(5e5, 64) | {"rms_norm_eps": 1e-5},
    "mistral": rope(1e8) | {"head_dim": 32, "sliding_window": None},
}
GRID = {
    f"{family} {'tied' if tied else 'untied'}{' bias' if bias else ''}": _sharp(
        family,
        tie_word_embeddings=tied,
        **({} if bias is None else {"attention_bias": bias}),
        **ROPES[family],
    )
    for family in ROPES
    for tied in (True, False)
    for bias in BIASES.get(family, [None])
}
_BIG_HEADS = {
    "num_hidden_layers": 1,
    "hidden_size": 256,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
_MISTRAL = {"head_dim": 128, "sliding_window": None}
PUBLISHED = {  # the rotary settings of the paper's models
    "Qwen2.5 rope": _sharp("qwen2", **_BIG_HEADS, **rope(1e6)),
    "Qwen2.5-Math rope": _sharp("qwen2", **_BIG_HEADS, **rope(1e4)),
    "Qwen3 rope": _sharp("qwen3", **_BIG_HEADS, **rope(1e6)),
    "Llama 3.1 rope": _sharp("llama", **_BIG_HEADS, **rope(5e5, 8192)),
    "Mistral-Small rope": _sharp("mistral", **(_BIG_HEADS | _MISTRAL), **rope(1e8)),
}
ODD = {
    "one layer, one kv head": _sharp(
        "qwen3", num_hidden_layers=1, num_attention_heads=6, num_key_value_heads=1,
        head_dim=24, hidden_size=80, vocab_size=307, rms_norm_eps=1e-5, **rope(1e4),
    ),
    "kv heads = heads": _sharp(
        "llama", num_key_value_heads=4, head_dim=96, vocab_size=101, **rope(1e4)
    ),
    "theta 1.5e6, head_dim 64": _sharp("qwen3", head_dim=64, **rope(1.5e6)),
    "rescaled theta 1e4": _sharp("llama", head_dim=64, **rope(1e4, 64)),
    "three heads of 16": _sharp(
        "qwen2", num_attention_heads=3, num_key_value_heads=3, hidden_size=48,
        intermediate_size=100, rms_norm_eps=1e-5, **rope(1e6),
    ),
    "tiny": but(_sharp(
        "mistral", hidden_size=8, intermediate_size=6, num_attention_heads=2,
        num_key_value_heads=1, head_dim=6, vocab_size=59, sliding_window=None,
        **rope(1e4),
    ), sharpness=6.0),
}  # fmt: skip
SHARPS = GRID | PUBLISHED | ODD
SOFT = {  # every layer is compared: four layers, rounding stays small
    "qwen3 tied": GRID["qwen3 tied"],
    "qwen3 untied": GRID["qwen3 untied"],
    "qwen2": GRID["qwen2 tied"],
    "llama": GRID["llama untied"],
    "llama bias": GRID["llama untied bias"],
    "mistral": GRID["mistral untied"],
}
SOFT = {name: but(v, 1.0, num_hidden_layers=4) for name, v in SOFT.items()}
GOLDEN = SOFT | {
    f"{name} sharp": GRID[name]
    for name in ("qwen2 untied", "qwen3 tied", "llama tied bias")
}
# A near tie takes nine tenths of the tolerance with two layers.
GOLDEN["mistral untied sharp"] = but(GRID["mistral untied"], num_hidden_layers=1)


def reference_model(variant: Variant):
    """A float32 model with eager attention, weights drawn with NumPy's generator."""
    config = AutoConfig.for_model(variant.family, **(DEFAULTS | variant.fields))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    parameters = list(model.named_parameters())
    values = drawn(
        [(name, value.shape) for name, value in parameters], sharpness=variant.sharpness
    )
    with torch.no_grad():
        for (_, parameter), value in zip(parameters, values, strict=True):
            parameter.copy_(torch.from_numpy(value))
    return model.float().eval()


class Scored(NamedTuple):
    """Log-probabilities [B, T, V], and the mean largest attention weight of a query."""

    logprobs: np.ndarray
    attention: float


def scored(model, tokens, mask, positions=None) -> Scored:
    """What transformers says; `mask` is true where a token is no padding."""
    if positions is None:
        positions = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
    with torch.no_grad():
        out = model(
            torch.tensor(np.asarray(tokens)),
            attention_mask=torch.tensor(np.asarray(mask, np.int64)),
            position_ids=torch.tensor(np.asarray(positions)),
            output_attentions=True,
        )
    wide = out.logits.to(torch.promote_types(out.logits.dtype, torch.float32))
    chosen = np.array(mask)
    chosen[:, 0] = False  # the first query has one key
    largest = [
        a.float().amax(-1).transpose(1, 2)[chosen].mean() for a in out.attentions
    ]
    return Scored(torch.log_softmax(wide, -1).numpy(), float(np.mean(largest)))
