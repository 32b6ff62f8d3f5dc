"""Sizes of a training run: what `:small`, `:smoke` and `:qwen3_8b` mean.

`small` is the study that runs on two CPU cores; `smoke` is it in seconds, to see that
everything connects; `qwen3_8b` is the paper's ablation (arXiv 2507.00432 v2, appendix
A: Qwen3-8B-Base, 512 prompts, 16 samples, 16k tokens).
"""

from ml_collections import ConfigDict

from configs import common

MATH_TEMPLATE = (
    "{problem} Let's think step by step and output the final answer in the \\boxed{}."
)
SCALES = ("small", "smoke", "qwen3_8b")


def train(scale: str) -> ConfigDict:
    """A training config of that size, levers still at their defaults."""
    c = common.train()
    check(scale)
    {"small": _small, "smoke": _smoke, "qwen3_8b": _qwen3_8b}[scale](c)
    return c


def pick(scale: str, **by_scale):
    """The value for this size; a size that is not named takes the small study's."""
    check(scale)
    return by_scale.get(scale, by_scale["small"])


def check(scale: str) -> None:
    """Refuse a `:variant` that is no size."""
    if scale not in SCALES:
        raise ValueError(f"variant {scale!r} is unknown; expected {', '.join(SCALES)}")


def _small(c: ConfigDict) -> None:
    c.source.per_step = 32
    c.source.samples = 8
    c.source.max_tokens = 40
    c.objective.rows = 4
    c.objective.row_length = 96
    c.objective.unroll = 3
    c.checkpoint.every_steps = 100


def _smoke(c: ConfigDict) -> None:
    _small(c)
    c.source.per_step = 4
    c.source.samples = 4
    c.sampler.slots = 16
    c.sampler.prefill_rows = 8
    c.checkpoint.every_steps = 2


def _qwen3_8b(c: ConfigDict) -> None:
    c.model.path = "Qwen/Qwen3-8B-Base"
    c.model.compute_dtype = "bfloat16"
    c.source.per_step = 512
    c.source.samples = 16
    c.source.max_tokens = 16_384
    c.source.dynamic_batches = 3
    c.reward.wrong = -1.0
    c.reward.overlong_buffer = 4_096
    c.objective.rows = 64
    c.objective.row_length = 18_432
    c.objective.remat = "layer"
    c.optimizer.b2 = 0.999
    c.optimizer.weight_decay = 0.1
    c.sampler.slots = 1_024
    c.sampler.prefill_rows = 64
    c.grader.workers = 16
    c.checkpoint.every_steps = 5
    c.prompt.template = MATH_TEMPLATE
    c.prompt.thinking = "off"
