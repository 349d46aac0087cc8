"""Drawings of the report, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from augury.errors import MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtraError("matplotlib", "demo") from None

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#999",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
    "svg.hashsalt": "augury",  # the same drawing gives the same file
}


def bars(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    unit: str,
    mark: tuple[str, float] | None = None,
) -> str:
    """Draw bars side by side, a label a place and a group a colour.

    Parameters
    ----------
    labels
        What the places are called.
    groups
        Heights for each label, by the group's name.
    unit
        What the heights are.
    mark
        Name and height of a dashed line across.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        width = 0.8 / len(groups)
        for index, (name, heights) in enumerate(groups.items()):
            places = [
                place + (index - (len(groups) - 1) / 2) * width for place in range(len(labels))
            ]
            axes.bar(places, heights, width * 0.92, label=name)
        if mark is not None:
            axes.axhline(mark[1], color="#555", linestyle="--", linewidth=1, label=mark[0])
        axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
        axes.set_ylabel(unit)
        return _finish(figure, axes)


def lines(groups: Mapping[str, Sequence[float]], across: str, unit: str) -> str:
    """Draw a line a group over 1, 2, 3 and so on; the first group is dashed, for comparison.

    Parameters
    ----------
    groups
        Heights by the group's name.
    across
        What the numbers along the bottom are.
    unit
        What the heights are.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        axes = figure.subplots()
        colours = mpl.colormaps["tab20"]
        for index, (name, heights) in enumerate(groups.items()):
            axes.plot(
                range(1, len(heights) + 1),
                heights,
                label=name,
                color="#555" if index == 0 else colours((index - 1) % 20),
                linestyle="--" if index == 0 else "-",
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel(across)
        axes.set_ylabel(unit)
        return _finish(figure, axes)


def _finish(figure: Figure, axes: Axes) -> str:
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    # Inside a page an SVG has no prologue.
    return text.getvalue()[text.getvalue().index("<svg") :]
