"""What the paper never separated: settings between its rows, each one change away.

    setting               from                what changes
    on_policy_positives   on_policy_rl_no_kl  negative advantages count nothing
    on_policy_signs       on_policy_rl_no_kl  right +1, wrong -1: no group baseline
    off_policy_weighted   off_policy_sft      importance weights over the teacher
    off_policy_sft_kl     off_policy_sft      exact KL to the base
    sft_then_rl           on_policy_rl_no_kl  begins at a finished off_policy_sft

The last question, how much of SFT's forgetting is its learning rate, is the sweep of
`configs/study.py` (`sweep`, `sweep_rates`). All run in the small study:

    python -m launch.study --config=configs/study.py:separated --workdir=separated

or on one of the paper's bases (`:qwen3_4b`, `:qwen3_8b`, `:llama31_8b`, `:qwen3_14b`),
with the time and memory of the setting they change (docs/training.md).
"""
