"""Plots of curves, as PNG or within a page."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from augury.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from augury.sizing.curve import Curve

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{padding:.2rem .8rem;border-bottom:1px solid #ddd;
text-align:right}}svg{{max-width:100%;height:auto}}</style></head>
<body><h1>{title}</h1>
{drawing}
{notes}
{tables}
</body></html>
"""


def draw(curves: Sequence[Curve], chosen: Iterable[int] = ()) -> Figure:
    """Draw miss ratios by capacity, with their error bars, and marks at chosen capacities.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for curve in curves:
        (line,) = axes.plot(curve.capacities, curve.miss_ratios, label=curve.policy)
        low, high = curve.miss_ratios - curve.errors, curve.miss_ratios + curve.errors
        axes.fill_between(curve.capacities, low, high, color=line.get_color(), alpha=0.2)
    for capacity in chosen:
        axes.axvline(capacity, color="#555", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_ylim(0, 1)
    axes.set_xlabel("capacity in bytes" if curves[0].by_bytes else "capacity in entries")
    axes.set_ylabel("miss ratio")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def write_page(
    path: Path,
    title: str,
    figure: Figure,
    notes: Iterable[str],
    tables: Iterable[tuple[Sequence[str], Iterable[Sequence[str]]]],
) -> None:
    """Write a page of HTML that needs nothing else.

    Parameters
    ----------
    notes
        Paragraphs.
    tables
        Heads and rows of each.
    """
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    svg = drawing.getvalue()
    path.write_text(
        _PAGE.format(
            title=html.escape(title),
            drawing=svg[svg.index("<svg") :],
            notes="\n".join(f"<p>{html.escape(note)}</p>" for note in notes),
            tables="\n".join(_table(heads, rows) for heads, rows in tables),
        ),
        encoding="utf-8",
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"
