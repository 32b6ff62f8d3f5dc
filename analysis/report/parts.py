"""Pieces of HTML: numbers with intervals, tables, rows of figures."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from analysis.exhibits.style import colour
from analysis.names import label

NO_BREAK = "&#8209;"  # a hyphen that no line ends with


def interval(value: Mapping[str, float]) -> str:
    """A change in points with its interval; coloured where that excludes 0."""
    change, bounds = f"{value['mean']:+.1f}", _bounds(value)
    return f'<span class="{_kind(value)}">{change}</span> <small>{bounds}</small>'


def verdict(value: Mapping[str, Any]) -> str:
    """What became of a claim, and the quantity that should be above 0."""
    quantity = f"{value['mean']:+.1f} {_bounds(value)}"
    text = f'<span class="{_kind(value)}">{value["verdict"]}</span>'
    return f"{text} <small>{quantity}</small>"


def _bounds(value: Mapping[str, Any]) -> str:
    return f"[{value['ci_low']:+.1f}, {value['ci_high']:+.1f}]"


def _kind(value: Mapping[str, Any]) -> str:
    if value["ci_low"] > 0:
        return "up"
    return "down" if value["ci_high"] < 0 else "flat"


def score(value: Mapping[str, float]) -> str:
    """A score in percent with its interval."""
    bounds = f"[{value['ci_low']:.1f}, {value['ci_high']:.1f}]"
    return f"{value['mean']:.1f} <small>{bounds}</small>"


def share(entry: Mapping[str, Any], names: Sequence[str], key: str) -> str:
    """Mean of a failure share over benchmarks, in percent."""
    return f"{sum(entry['scores'][name][key] for name in names) / len(names):.1f}"


def index_value(value: float | str) -> str:
    """A value of the index, or the reason it has none."""
    if isinstance(value, str):
        return f"<small>{escape(value)}</small>"
    return f"{round(value):+d}"


def swatch(name: str) -> str:
    """A model's name with its colour."""
    text = escape(label(name)).replace("-", NO_BREAK)
    return f'<i style="background:{colour(name)}"></i>{text}'


def figures_row(svgs: Iterable[str], *, wide: bool = False) -> str:
    """Figures side by side, below each other where the page is narrow."""
    cells = "".join(f"<figure>{svg}</figure>" for svg in svgs)
    return f'<div class="figures{" wide" if wide else ""}">{cells}</div>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls sideways in itself; cells are HTML."""
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'
