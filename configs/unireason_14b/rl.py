r"""UniReason RL: GRPO with DAPO's changes on 47k problems, no KL, no entropy bonus.

    python -m launch.prepare --config=configs/prepare.py:math_rl_48k --workdir=DATA
    python -m launch.train --config=configs/unireason_14b/rl.py \
        --config.source.data=tfds:DATA/problems/1.0.0:train \
        --config.mesh.fsdp=32 --workdir=DIR

The paper's: 1e-6, 512 problems x 16 answers a step, updates of 128 answers, clip 0.22
and 0.28, 16k tokens, 140 steps. Its script's, where the paper is silent: +1 and -1, the
last 4,096 tokens cost up to 1, mean over tokens, dual clip 10, 10 steps of warm-up,
weight decay 0.1, dynamic sampling of up to 10 x 1,536 problems, temperature 1. v5p-64,
an estimate: 8.3 GB a chip of weights, gradient, moments and the sampler's copy; 4.6 h
of updates for each 1,000 tokens of a mean answer, if 40% of the peak is reached, and a
third more for the log-probabilities before them. Sampling comes on top.

In the open:
- The paper's 128 answers an update, clip 0.22 and 16k are 512 (32 problems), 0.20 and
  20,480 in the script, where what costs begins at 16,384 tokens; here it is at 12,288.
- The text of section 5 writes the GRPO objective with KL; its table of values has none.
- The reward function is not known: the script tags rows with a source that verl
  refuses. Here `grader.name` decides, the one that evaluates.
- Whether prompts close an empty thinking block is not said. Those of the recorded
  answers do, and so do these.
- No check of overlap with the benchmarks is told of; `launch.prepare` makes one.
"""

from configs.ablation import on_policy_rl_no_kl


def get_config(scale: str = "qwen3_14b"):
    """On-policy RL without KL."""
    return on_policy_rl_no_kl.get_config(scale)
