r"""The small study: one base model, five ways of tuning it on mathematics, the report.

    python -m launch.study --config=configs/study.py --workdir=study \
        [--config.num_seeds=3] [--config.sweep=True]

About 7 minutes on two quiet cores for one seed; `:smoke` takes seconds. `:development`
is the seed and the question set that learning rates were chosen on, by mathematics
alone.
"""

from ml_collections import ConfigDict

SETTINGS = (
    "off_policy_sft",
    "on_policy_sft",
    "off_policy_rl",
    "on_policy_rl_no_kl",
    "on_policy_rl",
)


def get_config(variant: str = "small"):
    """Seeds, settings, controls."""
    if variant not in ("small", "smoke", "development"):
        raise ValueError(
            f"variant {variant!r} is unknown; expected small, smoke, development"
        )
    c = ConfigDict()
    c.scale = "smoke" if variant == "smoke" else "small"
    c.settings = SETTINGS
    c.controls = ("own_style_sft",)
    c.held_out = "solve"  # the mathematics task that tuning never sees
    c.first_seed = 1_000 if variant == "development" else 0
    c.split = "dev" if variant == "development" else "test"
    c.num_seeds = 1
    c.sweep = False  # off-policy SFT at `sweep_rates`
    c.sweep_rates = (1e-4, 3e-4)
    c.lanes = 0  # stages side by side; 0: one per core, at most 4
    return c
