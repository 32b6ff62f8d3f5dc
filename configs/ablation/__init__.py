"""The paper's ablation, one file per row: settings differ in their levers.

    setting             source q      credit w                 KL weight beta
    off_policy_sft      teacher       uniform                  0
    on_policy_sft       the policy    right answers only       0
    off_policy_rl       teacher       group advantage, best    0
    on_policy_rl_no_kl  the policy    group advantage          0
    on_policy_rl        the policy    group advantage          > 0

(arXiv 2507.00432 v2, section 5, Tables 3 and 4.) At `:small` they are the small study;
`configs/ablation_8b/` has them at the paper's sizes.
"""
