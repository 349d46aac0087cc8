"""Plots, as SVG files that are the same whenever the figures are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OURS, OTHERS = "#0072b2", "#999999"
"""Colours that differ for everybody (Okabe and Ito); ours is the darker one."""
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


@dataclass(frozen=True, slots=True)
class Plot:
    """A bar for each thing, or, of `lines`, a line for each."""

    name: str
    """Of the file, without folder and ending."""
    title: str
    axis: str
    """What the numbers are, with their unit."""
    bars: Mapping[str, float] | None = None
    lines: Mapping[str, Sequence[tuple[float, float]]] | None = None
    across: str = ""
    """What the lines' first numbers are."""
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

    fixed = {"svg.hashsalt": plot.name, "svg.fonttype": "none", "font.size": 9.0}
    with mpl.rc_context(fixed):
        high = 3.2 if plot.bars is None else 0.9 + 0.24 * len(plot.bars)
        figure = Figure(figsize=(7.0, high), layout="constrained")
        axes = figure.subplots()
        axes.set_title(plot.title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        if plot.bars is not None:
            names = list(plot.bars)
            values = list(plot.bars.values())
            colours = [OURS if ours(name) else OTHERS for name in names]
            drawn = axes.barh([name.strip("`") for name in names], values, color=colours)
            axes.bar_label(drawn, [f"{value:,.3g}" for value in values], padding=3)
            axes.invert_yaxis()
            axes.margins(x=0.12)
            axes.set_xlabel(plot.axis)
            if plot.logarithmic:
                axes.set_xscale("log")
        for number, (name, points) in enumerate((plot.lines or {}).items()):
            across, up = zip(*points, strict=True)
            axes.plot(across, up, label=name, color=LINES[number % len(LINES)], marker=".")
        if plot.lines is not None:
            axes.set_xlabel(plot.across)
            axes.set_ylabel(plot.axis)
            axes.legend(frameon=False)
            if plot.logarithmic:
                axes.set_xscale("log")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{plot.name}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
