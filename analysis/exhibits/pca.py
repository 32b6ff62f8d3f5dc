"""The PCA grid (the paper's figure 3): a panel per model and benchmark.

Circles are the base's layers, triangles the tuned model's, a line joins one layer; d is
the distance of the layer-averaged points.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from analysis.exhibits.style import MUTED, colour, figure


def draw(name: str, probe: Mapping[str, Any], benchmarks: Sequence[str]) -> Figure:
    """One row of the grid: a model on several benchmarks, one scale."""
    drawn, panels = figure(1.75 * len(benchmarks), 1.9, len(benchmarks), sharey=True)
    for axes, benchmark in zip(panels, benchmarks, strict=True):
        shift = probe[benchmark]["pca_shift"]
        for layer in shift["paper_layers"]:
            base, tuned = layer["base"], layer["tuned"]
            across = tuned[0] - base[0]
            axes.plot([0, across], [base[1], tuned[1]], color=MUTED, lw=0.8)
            axes.plot(0, base[1], "o", color=COLOUR_BASE, ms=5)
            axes.plot(across, tuned[1], "^", color=colour(name), ms=5.5)
        axes.set_title(benchmark, fontsize=9)
        axes.text(
            0.97, 0.04, f"d = {shift['paper']:.2f}", transform=axes.transAxes,
            ha="right", fontsize=8.5,
        )  # fmt: skip
        axes.set_xlabel("PC1 shift", fontsize=8.5)
    panels[0].set_ylabel("PC2", fontsize=8.5)
    return drawn


COLOUR_BASE = colour("base")
