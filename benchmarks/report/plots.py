"""Plots, as SVG files that are the same whenever the figures are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS, OTHERS = "#0072b2", "#999999"
"""Colours that differ for everybody (Okabe and Ito); ours is the darker one."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A bar for each thing."""

    name: str
    """Of the file, without folder and ending."""
    title: str
    axis: str
    """What the numbers are, with their unit."""
    bars: Mapping[str, float]
    logarithmic: bool = False

    @property
    def markdown(self) -> str:
        """The plot as docs/benchmarks.md shows it."""
        return f"![{self.title}](benchmarks/{self.name}.svg)"


def ours(name: str) -> bool:
    """Tell whether a bar is Augury's."""
    return name.startswith(("augury", "`"))


def draw(plot: Plot, folder: Path) -> None:
    """Write a plot into a folder."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    fixed: Any = {"svg.hashsalt": plot.name, "svg.fonttype": "none", "font.size": 9.0}
    with mpl.rc_context(fixed):
        figure = Figure(figsize=(7.0, 0.9 + 0.24 * len(plot.bars)), layout="constrained")
        axes = figure.subplots()
        axes.set_title(plot.title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        colours = [OURS if ours(name) else OTHERS for name in plot.bars]
        values = list(plot.bars.values())
        drawn = axes.barh([name.strip("`") for name in plot.bars], values, color=colours)
        axes.bar_label(drawn, [f"{value:,.3g}" for value in values], padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel(plot.axis)
        if plot.logarithmic:
            axes.set_xscale("log")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{plot.name}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
