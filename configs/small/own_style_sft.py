r"""Control: off-policy SFT with right answers in the base model's own terse style.

    python -m launch.train --config=configs/small/own_style_sft.py --workdir=DIR \
        --config.model.path=BASE --config.source.data=SUITE/own_style.jsonl

Same problems, rate, updates and examples per update as off-policy SFT: only the style
of the answers differs.
"""

from configs.ablation import off_policy_sft


def get_config(scale: str = "small"):
    """Off-policy SFT; the data are given by the study."""
    return off_policy_sft.get_config(scale)
