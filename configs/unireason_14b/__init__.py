"""The paper's controlled study on Qwen3-14B-Base: three models, UniReason.

What each should give (arXiv 2507.00432 v2, Table 1; means of four benchmarks, one
seed), with averages worked out again where the paper misprints them (*):

    model         mathematics  other   non    TI other  TI non
    base          27.7         30.2    45.7
    sft_think     49.8         45.3    21.1    52.2     -104.1
    sft_no_think  32.3         44.1*   29.0   165.4     -278.9
    rl            53.8         51.0*   53.2    82.3       52.2

`:qwen3_4b` and `:llama31_8b` are the bases that the authors' page names without
numbers; `:small` is the small study's size. Nothing here was run at the paper's size;
times and memory are estimates for a v5p-64 (32 chips, mesh fsdp=32), made as
docs/training.md says. Of its own hardware the paper says nothing; the script it came
with asks for 16 nodes of 8 GPUs.
"""
