r"""Off-policy SFT of the 8B ablation: row 1 of the paper's Table 4.

    python -m launch.prepare --config=configs/prepare.py:math_sft_40k_think \
        --workdir=DATA
    python -m launch.train --config=configs/ablation_8b/off_policy_sft.py \
        --config.source.data=tfds:DATA/problems/1.0.0:train \
        --config.mesh.fsdp=64 --workdir=DIR

v6e-64, an estimate: 2.0 GB a chip of weights, gradient and moments; 0.14 h of updates
at a mean of 4,000 tokens an answer, if 40% of the peak is reached.
"""

from configs.ablation import off_policy_sft


def get_config(scale: str = "qwen3_8b"):
    """The setting of the ablation at the paper's size."""
    return off_policy_sft.get_config(scale)
