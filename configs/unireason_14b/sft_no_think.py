r"""UniReason no-think-SFT: Qwen3-32B's answers without thinking, to the same problems.

    python -m launch.prepare --config=configs/prepare.py:math_sft_40k_no_think \
        --workdir=DATA
    python -m launch.train --config=configs/unireason_14b/sft_no_think.py \
        --config.source.data=tfds:DATA/problems/1.0.0:train \
        --config.mesh.fsdp=32 --workdir=DIR

As sft_think but for the data and the prompt, which closes an empty thinking block.
v5p-64, an estimate: the same memory; 0.24 h of updates for each 1,000 tokens of a mean
answer, if 40% of the peak is reached.

In the open: what sft_think says; and 165.4, the best TI on other reasoning, is large
because the gain on mathematics, by which it is divided, is the smallest of the three.
"""

from configs import scales
from configs.unireason_14b import sft_think


def get_config(scale: str = "qwen3_14b"):
    """Off-policy SFT on answers that do not think."""
    c = sft_think.get_config(scale)
    c.prompt.thinking = scales.pick(scale, small="default", paper="off")
    return c
