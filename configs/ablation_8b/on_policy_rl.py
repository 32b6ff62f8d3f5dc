r"""On-policy RL with KL of the 8B ablation: row 5 of the paper's Table 4.

    python -m launch.prepare --config=configs/prepare.py:math_rl_48k --workdir=DATA
    python -m launch.train --config=configs/ablation_8b/on_policy_rl.py \
        --config.source.data=tfds:DATA/problems/1.0.0:train \
        --config.mesh.fsdp=64 --workdir=DIR

v6e-64, an estimate: 2.8 GB a chip of weights, gradient, moments, the sampler's copy and
the reference; as on_policy_rl_no_kl, and a third more for the reference's
log-probabilities. The paper gives no beta.
"""

from configs.ablation import on_policy_rl


def get_config(scale: str = "qwen3_8b"):
    """The setting of the ablation at the paper's size."""
    return on_policy_rl.get_config(scale)
