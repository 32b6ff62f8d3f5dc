"""The Transferability Index of every model (the paper's figure 2): other and non."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from analysis.exhibits.style import INK, MUTED, colour, figure
from analysis.names import GROUPS, label

MARKERS = {"v1": "o", "v2": "s", "v2_pooled": "D"}
OFFSETS = {"v1": -0.22, "v2": 0.0, "v2_pooled": 0.22}


def draw(models: Mapping[str, Mapping[str, Any]], group: str) -> Figure:
    """A row per model, a mark per form of the index with its 95% interval.

    A form without a value is left out; the table names the reason.
    """
    drawn, axes = figure(5.2, 0.5 * len(models) + 1.0)
    shown: set[str] = set()
    for row, (name, entry) in enumerate(models.items()):
        for form, marker in MARKERS.items():
            value = entry["ti"][form][group]
            if isinstance(value, str):
                continue
            place = row + OFFSETS[form]
            bounds = entry["ti_intervals"][form][group]
            if bounds:
                axes.plot(bounds, [place, place], color=INK, lw=0.9)
            axes.plot(
                value, place, marker, color=colour(name), ms=6.5, mec=INK, mew=0.6,
                label=form if form not in shown else None,
            )  # fmt: skip
            shown.add(form)
    axes.axvline(0, color=MUTED, lw=1)
    axes.set_yticks(range(len(models)), [label(name) for name in models])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"Transferability to {GROUPS[group].lower()}")
    axes.set_xlabel("index, % of the mathematics gain")
    if shown:
        legend = axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, handletextpad=0.3
        )
        for handle in legend.legend_handles:
            handle.set_color(MUTED)
    return drawn
