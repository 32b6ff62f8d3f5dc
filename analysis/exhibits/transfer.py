"""Transfer against mathematics gain, and against KL: where each run lies.

With a learning-rate sweep this is the plot that says whether the data source or the
rate decides the forgetting: runs of one setting are joined in the order of their rates.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from analysis.exhibits.style import MUTED, colour, figure
from analysis.names import label, setting

Models = Mapping[str, Mapping[str, Any]]


def draw(models: Models, *, against: str) -> Figure:
    """Change on the other groups against the mathematics gain ("gain") or KL ("kl").

    KL is KL(tuned || base) on the other two groups' own responses.
    """
    drawn, axes = figure(5.2, 4.0)
    for name in dict.fromkeys(map(setting, models)):
        runs = [entry for run, entry in models.items() if setting(run) == name]
        runs.sort(key=lambda entry: entry["learning_rate"])
        points = [_point(entry, against) for entry in runs]
        axes.plot(
            *zip(*points, strict=True), "-", color=colour(name), lw=1.2,
            marker="o", ms=7, label=label(name),
        )  # fmt: skip
        if len(runs) > 1:
            _name_rates(axes, runs, points)
    axes.axhline(0, color=MUTED, lw=1)
    axes.set_ylabel("change on the other two groups, points")
    if against == "gain":
        axes.set_xlabel("change on mathematics, points")
        axes.set_title("Transfer against mathematics gain")
    else:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("KL(tuned || base) on the other two groups, nats per token")
        axes.set_title("Transfer against distance from the base")
    axes.margins(x=0.12, y=0.12)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=3)
    return drawn


def _point(entry: Mapping[str, Any], against: str) -> tuple[float, float]:
    gains, kl = entry["gains"], entry["kl_by_group"]["forward"]
    x = gains["math"]["mean"] if against == "gain" else (kl["other"] + kl["non"]) / 2
    return x, (gains["other"]["mean"] + gains["non"]["mean"]) / 2


def _name_rates(axes: Axes, runs: list, points: list[tuple[float, float]]) -> None:
    for entry, point in zip(runs, points, strict=True):
        axes.annotate(
            f"{entry['learning_rate']:g}", point, xytext=(6, 5),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
