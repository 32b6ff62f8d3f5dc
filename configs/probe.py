"""What moved between two models that were evaluated on the same benchmarks."""

from configs import common, scales


def get_config(scale: str = "small"):
    """100 texts per benchmark, as the paper; a smoke run takes 4."""
    scales.check(scale)
    c = common.probe()
    if scale == "smoke":
        c.texts, c.rows = 4, 4
    return c
