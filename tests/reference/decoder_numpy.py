"""The decoder once more, slowly, from its equations, in NumPy and float64.

Shares no line with the package but the rotary frequencies, which the parity tests
check against transformers bit by bit.
"""

import numpy as np

from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.rope import inverse_frequencies


def norm(x, scale, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * scale


def rotate(vector, position, frequencies):
    half = len(vector) // 2
    angle = position * frequencies.astype(np.float64)
    a, b = vector[:half], vector[half:]
    return np.concatenate(
        [a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)]
    )


def attention(x, w, config: ModelConfig, frequencies):
    length, group = len(x), config.num_heads // config.num_kv_heads
    mixed = np.zeros((length, config.num_heads, config.head_dim))
    for head in range(config.num_heads):
        kv = head // group
        q = x @ w["query"][:, head]
        k = x @ w["key"][:, kv]
        v = x @ w["value"][:, kv]
        if config.qkv_bias:
            q, k, v = (
                q + w["query_bias"][head],
                k + w["key_bias"][kv],
                v + w["value_bias"][kv],
            )
        if config.qk_norm:
            q = norm(q, w["query_norm"]["scale"], config.norm_eps)
            k = norm(k, w["key_norm"]["scale"], config.norm_eps)
        q = np.stack([rotate(row, t, frequencies) for t, row in enumerate(q)])
        k = np.stack([rotate(row, t, frequencies) for t, row in enumerate(k)])
        for t in range(length):
            scores = k[: t + 1] @ q[t] / np.sqrt(config.head_dim)
            weights = np.exp(scores - scores.max())
            mixed[t, head] = (weights / weights.sum()) @ v[: t + 1]
    out = np.einsum("the,hed->td", mixed, w["output"])
    return out + w["output_bias"] if config.output_bias else out


def forward(params, tokens, config: ModelConfig):
    """(hidden state after every layer as in transformers, logits) of one sequence."""
    to64 = lambda tree: (
        {k: to64(v) for k, v in tree.items()}
        if isinstance(tree, dict)
        else np.asarray(tree, np.float64)
    )
    params = to64(params)
    layer = lambda tree, n: (
        {k: layer(v, n) for k, v in tree.items()} if isinstance(tree, dict) else tree[n]
    )
    frequencies = inverse_frequencies(config)
    x = params["embedding"][np.asarray(tokens)]
    states = [x]
    for n in range(config.num_layers):
        w = layer(params["layers"], n)
        h = norm(x, w["attention_norm"]["scale"], config.norm_eps)
        x = x + attention(h, w["attention"], config, frequencies)
        h = norm(x, w["mlp_norm"]["scale"], config.norm_eps)
        gate = h @ w["mlp"]["gate"]
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w["mlp"]["up"])) @ w["mlp"]["down"]
        states.append(x)
    states[-1] = norm(x, params["final_norm"]["scale"], config.norm_eps)
    table = params["embedding"] if config.tied_head else params["head"]
    return states, states[-1] @ table.T


def token_scores(logits, targets):
    """(log-probability, rank, entropy) of each target under float64 logits [T, V]."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logprobs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(logprobs, np.asarray(targets)[:, None], axis=-1)
    ranks = 1 + (logprobs > picked).sum(axis=-1)
    entropies = -(np.exp(logprobs) * logprobs).sum(axis=-1)
    return picked[:, 0], ranks, entropies
