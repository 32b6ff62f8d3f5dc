"""Floating-point operations that a training step of a model is worth.

    6 N tokens  +  6 layers heads head_dim (sum of squared lengths)

N counts the weights that activations are multiplied with: projections, MLP and the
head, not the embedding's look-up, norms or biases. A product of a weight is one
multiplication and one addition, and as many twice more in the backward pass (arXiv
2001.08361, section 2.1). Attention takes 4 operations a pair of positions, head and
head dimension in the forward pass; half of the pairs are masked, and are not counted
(PaLM, arXiv 2204.02311, appendix B, counts them all).

Nothing else counts: what rematerialisation computes again, padding, log-probabilities
under a reference or an older policy, sampling.
"""

from collections.abc import Sequence

from transfer_reasoning.model.config import ModelConfig


def product_weights(config: ModelConfig) -> int:
    """N: weights that every token is multiplied with, the head's among them."""
    heads = 2 * config.num_heads + 2 * config.num_kv_heads  # query, output, key, value
    attention = config.width * config.head_dim * heads
    mlp = 3 * config.width * config.mlp_width
    layers = config.num_layers * (attention + mlp)
    return layers + config.width * config.vocab_size


def training_flops(config: ModelConfig, lengths: Sequence[int]) -> int:
    """Forward and backward pass over sequences of `lengths` tokens, each by itself."""
    pair = config.num_layers * config.num_heads * config.head_dim
    squares = sum(length * length for length in lengths)
    return 6 * product_weights(config) * sum(lengths) + 6 * pair * squares
