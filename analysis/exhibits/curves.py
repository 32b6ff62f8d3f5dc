"""Training curves: a quantity of the log against the step, one line per model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.exhibits.style import colour, figure
from analysis.names import label

Row = Mapping[str, Any]


def draw(
    curves: Mapping[str, Sequence[Row]],
    key: str,
    *,
    title: str,
    unit: str,
    smooth: int = 5,
) -> Figure:
    """`key` of every row, smoothed over `smooth` steps; steps as a share of the run."""
    drawn, axes = figure(3.6, 2.5)
    for name, rows in curves.items():
        known = [(r["step"], r[key]) for r in rows if r.get(key) is not None]
        if not known:
            continue
        steps, values = np.array(known, float).T
        window = min(smooth, len(values))
        mean = np.convolve(values, np.ones(window) / window, "valid")
        at = 100 * steps[window - 1 :] / rows[-1]["step"]
        axes.plot(at, mean, color=colour(name), lw=1.6, label=label(name))
    axes.set_title(title)
    axes.set_xlabel("training done, %")
    axes.set_ylabel(unit)
    return drawn


def legend(names: Sequence[str]) -> Figure:
    """The key that a row of curves shares."""
    drawn, axes = figure(6.8, 0.35)
    for name in names:
        axes.plot([], [], color=colour(name), lw=2.4, label=label(name))
    axes.axis("off")
    axes.legend(loc="center", ncols=len(names), columnspacing=1.4, handlelength=1.2)
    return drawn
