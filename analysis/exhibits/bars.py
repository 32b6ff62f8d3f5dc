"""Bars per group and model: exact KL (the paper's figure 4), rank shift (figure 17)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from analysis.exhibits.style import colour, figure
from analysis.names import GROUPS, label


def draw(values: Mapping[str, Mapping[str, float]], *, title: str, unit: str) -> Figure:
    """`values[model][group]` as grouped bars with the numbers on them."""
    drawn, axes = figure(6.4, 2.9)
    width = 0.82 / len(values)
    for number, (name, by_group) in enumerate(values.items()):
        places = np.arange(len(GROUPS)) + (number - (len(values) - 1) / 2) * width
        heights = [by_group[group] for group in GROUPS]
        bars = axes.bar(
            places, heights, width * 0.92, color=colour(name), label=label(name)
        )
        axes.bar_label(bars, fmt=_short, fontsize=7, padding=1.5)
    axes.set_xticks(range(len(GROUPS)), list(GROUPS.values()))
    axes.grid(False, axis="x")
    axes.margins(y=0.12)
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
    return drawn


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
