"""The paper's ablation as it ran it, on Qwen3-8B-Base: `configs/ablation/`, its size.

`:qwen3_4b` and `:llama31_8b` are the bases that the authors' page names without
numbers. What each row should give (arXiv 2507.00432 v2, Table 4; base 27.6, 23.6, 33.6;
means of four benchmarks, one seed):

    setting             mathematics  other  non    TI other  TI non
    off_policy_sft      41.9         34.4   26.6   18.3      -40.5
    on_policy_sft       33.7         35.7   35.0   68.6       30.2
    off_policy_rl       45.5         35.9   31.7   36.4        4.5
    on_policy_rl_no_kl  37.1         38.2   35.8   65.6       39.3
    on_policy_rl        38.6         39.9   35.0   63.7       32.4

Hardware, time and memory are estimates for a v6e-64 (64 chips, mesh fsdp=64), made as
docs/training.md says; none of these was run. The paper does not say what it ran on.
"""
