r"""On-policy RL without a KL term: GRPO on the policy's own answers.

    python -m launch.train --config=configs/ablation/on_policy_rl_no_kl.py:qwen3_8b \
        --config.source.data=problems.jsonl --workdir=DIR

small: 30 updates of 32 problems x 8 answers, about 20 s on one core. qwen3_8b: the
paper's 1e-6, 512 problems x 16 answers in 16 updates a step, clip 0.22 and 0.28. The
rate is constant after the warm-up.
"""

from configs import scales


def get_config(scale: str = "small"):
    """source policy, credit group advantage, beta 0."""
    c = scales.train(scale)
    c.source.kind = "on_policy"
    c.credit.kind = "group_advantage"
    c.objective.clip_low = 0.22
    c.objective.clip_high = 0.28
    c.objective.updates_per_step = scales.pick(scale, small=1, qwen3_8b=16)
    c.optimizer.num_steps = scales.pick(scale, small=30, smoke=3, qwen3_8b=140)
    c.optimizer.warmup_steps = scales.pick(scale, small=5, smoke=1, qwen3_8b=10)
    c.optimizer.final_fraction = 1.0
    c.optimizer.learning_rate = scales.pick(scale, small=1e-4, qwen3_8b=1e-6)
    c.checkpoint.every_steps = scales.pick(scale, small=10, smoke=1, qwen3_8b=5)
    return c
