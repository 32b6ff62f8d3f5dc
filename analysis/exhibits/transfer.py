"""Transfer against mathematics gain, and against KL: where each run lies.

With a learning-rate sweep this is the plot that says whether the data source or the
rate decides the forgetting.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from analysis.exhibits.style import MUTED, colour, figure, label

Models = Mapping[str, Mapping[str, Any]]


def draw(models: Models, *, against: str) -> Figure:
    """Change on the other groups against the mathematics gain ("gain") or KL ("kl").

    KL is KL(tuned || base) on the other two groups' own responses.
    """
    drawn, axes = figure(5.2, 3.6)
    for name, entry in models.items():
        gains = entry["gains"]
        transfer = (gains["other"]["mean"] + gains["non"]["mean"]) / 2
        if against == "gain":
            x = gains["math"]["mean"]
        else:
            kl = entry["kl_by_group"]["forward"]
            x = (kl["other"] + kl["non"]) / 2
        axes.plot(x, transfer, "o", color=colour(name), ms=8)
        axes.annotate(
            label(name), (x, transfer), xytext=(6, 4), textcoords="offset points",
            fontsize=8,
        )  # fmt: skip
    axes.axhline(0, color=MUTED, lw=1)
    axes.margins(x=0.25, y=0.12)
    axes.set_ylabel("change on the other two groups, points")
    if against == "gain":
        axes.set_xlabel("change on mathematics, points")
        axes.set_title("Transfer against mathematics gain")
    else:
        axes.set_xscale("log")
        axes.set_xlabel("KL(tuned || base) on the other two groups, nats per token")
        axes.set_title("Transfer against distance from the base")
    return drawn
