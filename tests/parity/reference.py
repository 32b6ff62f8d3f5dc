"""Random small transformers models of each family, the same on every machine."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES = {
    "qwen3_tied": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "qwen3_untied": ("qwen3", {"head_dim": 32, "tie_word_embeddings": False}),
    "qwen2": ("qwen2", {"tie_word_embeddings": True}),
    "llama": ("llama", {"rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-5}),
    "llama_bias": ("llama", {"attention_bias": True}),
    "mistral": ("mistral", {"head_dim": 32, "sliding_window": None}),
}


def reference_model(name: str):
    """A float32 model with eager attention, weights drawn with NumPy's generator."""
    family, extra = FAMILIES[name]
    fields = {
        "vocab_size": 211,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
        "bos_token_id": None,
        "eos_token_id": None,
    }
    config = AutoConfig.for_model(family, **(fields | extra))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    import numpy as np

    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter_name, value in model.named_parameters():
            noise = torch.from_numpy(rng.normal(size=tuple(value.shape)))
            if value.ndim == 2:
                value.copy_(noise * value.shape[1] ** -0.5)
            else:
                value.copy_((1.0 if "norm" in parameter_name else 0.0) + 0.1 * noise)
    return model.eval()
