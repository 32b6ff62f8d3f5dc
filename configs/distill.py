"""Teacher samples: 8 per problem at temperature 1, as the paper's off-policy RL."""

from configs import common, scales


def get_config(scale: str = "small"):
    """Small by default; the model and the problems are given on the command line."""
    c = common.distill()
    c.samples = scales.pick(scale, small=8, smoke=4)
    if scale == "smoke":
        c.sampler.slots, c.sampler.prefill_rows = 16, 8
    return c
