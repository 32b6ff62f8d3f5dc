r"""Off-policy SFT: a teacher's right answers, every one counting the same.

    python -m launch.train --config=configs/ablation/off_policy_sft.py:qwen3_8b \
        --config.source.data=responses.jsonl --workdir=DIR

small: 200 updates, about 30 s on one core. qwen3_8b: the paper's 5e-5, batch 512,
1.5 epochs of 40k responses.
"""

from configs import scales


def get_config(scale: str = "small"):
    """source teacher, credit uniform, beta 0."""
    c = scales.train(scale)
    c.source.kind = "offline"
    c.source.per_step = scales.pick(scale, small=40, smoke=8, qwen3_8b=512)
    c.credit.kind = "uniform"
    c.optimizer.num_steps = scales.pick(scale, small=200, smoke=6, qwen3_8b=117)
    c.optimizer.warmup_steps = scales.pick(scale, small=20, smoke=1, qwen3_8b=12)
    c.optimizer.learning_rate = scales.pick(scale, small=1e-3, qwen3_8b=5e-5)
    return c
