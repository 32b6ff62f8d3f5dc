r"""Off-policy RL of the 8B ablation: row 3 of the paper's Table 4.

    python -m launch.distill --config=configs/distill.py:qwen3_8b --workdir=TEACHER \
        --config.problems=problems.jsonl
    python -m launch.train --config=configs/ablation_8b/off_policy_rl.py \
        --config.source.data=TEACHER/rollouts.jsonl --config.mesh.fsdp=64 --workdir=DIR

v6e-64, an estimate: as off_policy_sft, for one answer of eight is trained on; the
teacher's eight answers a problem come on top. The paper contradicts itself on KL.
"""

from configs.ablation import off_policy_rl


def get_config(scale: str = "qwen3_8b"):
    """The setting of the ablation at the paper's size."""
    return off_policy_rl.get_config(scale)
