"""The plot of miss ratios by capacity that subcommands write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from augury.simulation import SimulationResult


def ratio_of(result: SimulationResult, by_bytes: bool) -> float:
    """Return the miss ratio, or the byte miss ratio."""
    return result.byte_miss_ratio if by_bytes else result.miss_ratio


def plot_ratios(
    path: Path, lines: Iterable[tuple[str, str, Sequence[SimulationResult]]], by_bytes: bool
) -> None:
    """Write miss ratios by capacity as a PNG.

    Parameters
    ----------
    lines
        Of each what it is called, its style, such as ``"--"``, and its results, in any order.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for label, style, results in lines:
        points = sorted((result.capacity, ratio_of(result, by_bytes)) for result in results)
        axes.plot(*zip(*points, strict=True), style, marker="o", markersize=3, label=label)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("capacity in bytes" if by_bytes else "capacity in entries")
    axes.set_ylabel("byte miss ratio" if by_bytes else "miss ratio")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
