r"""UniReason think-SFT: Qwen3-32B's thinking answers, found right, to 40k problems.

    python -m launch.prepare --config=configs/prepare.py:math_sft_40k_think \
        --workdir=DATA
    python -m launch.train --config=configs/unireason_14b/sft_think.py \
        --config.source.data=tfds:DATA/problems/1.0.0:train \
        --config.mesh.fsdp=32 --workdir=DIR

The paper's: 5e-5, 512 answers a step, 1.5 epochs. Its script's: 16,384 tokens, a cosine
with a tenth of warm-up, a prompt that lets the model think. v5p-64, an estimate: 7.4 GB
a chip of weights, gradient and moments; 1.0 h of updates at a mean of 4,000 tokens an
answer, if 40% of the peak is reached.

In the open:
- 1.5 epochs "to align with RL" aligns neither updates (117; RL makes 8,960) nor tokens,
  and the script says 2.0. The rate is 50 times RL's. No other rate is reported.
- How many answers a problem had before rejection is not said, nor what the thinking
  answers' column of the published data is called.
- The script cuts answers at 16,384 tokens; here longer ones are left out, and counted.
- The recorded answers of this model come from prompts that close an empty thinking
  block, which it was not tuned on: evaluate with `--config.thinking=on` too.
"""

from configs import scales
from configs.ablation import off_policy_sft


def get_config(scale: str = "qwen3_14b"):
    """Off-policy SFT on answers that think."""
    c = off_policy_sft.get_config(scale)
    c.objective.row_length = scales.pick(scale, small=96, paper=16_384)
    return c
