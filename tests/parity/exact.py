"""A transformers model in float64 throughout: whose error is it?

`model.double()` alone is not: the norms and the softmax of transformers ask for
float32. The rotary numbers stay float32, as in both implementations.
"""

import copy

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask


def _attention(module, query, key, value, attention_mask, scaling, **ignored):
    group = module.num_key_value_groups
    keys, values = (x.repeat_interleave(group, 1) for x in (key, value))
    scores = query @ keys.transpose(2, 3) * scaling + attention_mask
    weights = torch.softmax(scores, -1)
    return (weights @ values).transpose(1, 2).contiguous(), weights


AttentionInterface.register("float64", _attention)
AttentionMaskInterface.register("float64", eager_mask)


def in_float64(model):
    """A copy of `model` that rounds to float64 only."""
    wide = copy.deepcopy(model).double()
    wide.config._attn_implementation = "float64"
    for module in wide.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = _norm(module)
    return wide


def _norm(module):
    def norm(x):
        variance = x.pow(2).mean(-1, keepdim=True) + module.variance_epsilon
        return module.weight * (x * torch.rsqrt(variance))

    return norm
