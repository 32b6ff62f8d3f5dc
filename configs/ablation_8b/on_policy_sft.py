r"""On-policy SFT of the 8B ablation: row 2 of the paper's Table 4.

    python -m launch.prepare --config=configs/prepare.py:math_rl_48k --workdir=DATA
    python -m launch.train --config=configs/ablation_8b/on_policy_sft.py \
        --config.source.data=tfds:DATA/problems/1.0.0:train \
        --config.mesh.fsdp=64 --workdir=DIR

v6e-64, an estimate: 2.3 GB a chip of weights, gradient, moments and the sampler's copy;
as on_policy_rl_no_kl, with updates on the right answers alone.
"""

from configs.ablation import on_policy_sft


def get_config(scale: str = "qwen3_8b"):
    """The setting of the ablation at the paper's size."""
    return on_policy_sft.get_config(scale)
