"""What `augury plan` prints and draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotext
from rich.table import Table
from rich.text import Text

from augury.cli.terminal import console, notes, print_json, readable_bytes
from augury.sizing import Curve, Recommendation, Share, Sized

_ROWS = 16  # of the table of a curve

Rows = list[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found."""

    name: str
    curves: list[Curve]
    recommendation: Recommendation
    requests_per_second: float | None
    note: str | None
    shares: list[Share] | None

    @property
    def chosen(self) -> int:
        """All tiers together."""
        return sum(self.recommendation.best.capacities)

    def as_dict(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "curves": [curve.as_dict() for curve in self.curves],
            "requests_per_second": self.requests_per_second,
            "recommendation": self.recommendation.as_dict(),
            "tenants": None if self.shares is None else [each.as_dict() for each in self.shares],
        }


def report(plan: Plan, *, json: bool, png: Path | None, html: Path | None) -> None:
    """Print figures, or tables and a plot; write files."""
    if plan.note is not None:
        notes.print(plan.note, style="yellow", highlight=False)
    if png is not None or html is not None:
        _draw(plan, png, html)
    if json:
        print_json(plan.as_dict())
        return
    heads, rows = curve_table(plan)
    _print(_title(plan), heads, rows)
    _plot(plan)
    for line in advice(plan):
        console.print(line, highlight=False, markup=False)
    if plan.shares is not None:
        _print("The budget, split", *share_table(plan.shares))


def _title(plan: Plan) -> str:
    first = plan.curves[0]
    how = {each.method for each in plan.curves}
    looked = "" if first.rate >= 1.0 else f", {first.rate:.2%} of the keys looked at"
    measured = f"{', '.join(sorted(how))}{looked}"
    what = "Hit probability" if first.method == "analytic" else "Miss ratio"
    return f"{what} by capacity: {plan.name} ({measured})"


def curve_table(plan: Plan) -> tuple[Sequence[str], Rows]:
    """Return heads and rows: miss ratios by capacity, or hit probabilities if analytic."""
    first = plan.curves[0]
    analytic = first.method == "analytic"
    points = first.capacities
    if len(points) > _ROWS:
        wanted = np.geomspace(points[0], points[-1], _ROWS)
        points = np.unique(points[np.searchsorted(points, wanted).clip(max=len(points) - 1)])
    points = np.union1d(points, [first.knee])
    rows: Rows = []
    for capacity in points.tolist():
        shown = [
            f"{1 - each.at(capacity):.4f}"
            if analytic
            else _with_error(each.at(capacity), each.error_at(capacity))
            if capacity >= each.capacities[0]
            else ""  # too small for the sample
            for each in plan.curves
        ]
        mark = "knee" if capacity == first.knee else ""
        rows.append((_capacity(capacity, first), *shown, mark))
    heads = ("bytes" if first.by_bytes else "entries", *(each.policy for each in plan.curves), "")
    return heads, rows


def share_table(shares: Sequence[Share]) -> tuple[Sequence[str], Rows]:
    """Return heads and rows: who gets what."""
    heads = ("tenant", "bytes", "capacity", "miss ratio", "if all got alike")
    return heads, [
        (
            each.name,
            readable_bytes(each.size),
            f"{each.capacity:,}",
            f"{each.miss_ratio:.4f}",
            f"{each.even_miss_ratio:.4f}",
        )
        for each in shares
    ]


def advice(plan: Plan) -> list[str]:
    """Return the recommendation in words."""
    found, curve = plan.recommendation, plan.curves[0]
    why = {
        "cost": "the cheapest, misses and storage together",
        "goal": "the cheapest that reaches the goal",
        "knee": "the knee: beyond it more memory buys much less (name costs or a target for more)",
    }[found.why]
    lines = [f"Recommended for {curve.policy}: {_sizes(found.best, curve)}; {why}."]
    lines.append(f"  There: {_outcome(found.best)}.")
    if found.why != "knee":
        lines.append(f"  Knee: {_sizes(found.knee, curve)}: {_outcome(found.knee)}.")
    if found.next_gib is not None:
        after = found.next_gib
        buys = (
            f"  The next GiB: {found.best.miss_ratio - after.miss_ratio:.4f} fewer misses a request"
        )
        if found.best.cost > 0 and found.next_gib_saves is not None:
            saved = found.next_gib_saves
            buys += f"; {'saves' if saved >= 0 else 'costs'} {abs(saved):,.2f} a month in all"
        lines.append(buys + ".")
    return lines


def _sizes(sized: Sized, curve: Curve) -> str:
    parts = []
    for at, (name, capacity) in enumerate(zip(sized.tiers, sized.capacities, strict=True)):
        shown = _capacity(capacity, curve) + ("" if curve.by_bytes else " entries")
        if not curve.by_bytes and sized.bytes is not None:
            shown += f" ({readable_bytes(sized.bytes[at])})"
        parts.append(f"{name} {shown}")
    return ", ".join(parts)


def _outcome(sized: Sized) -> str:
    text = f"miss ratio {_with_error(sized.miss_ratio, sized.error)}"
    if sized.latency:
        text += f", mean latency {sized.latency * 1e3:,.3g} ms"
    if sized.cost:
        text += (
            f", {sized.cost:,.2f} a month"
            f" ({sized.storage_cost:,.2f} storage, {sized.miss_cost:,.2f} misses)"
        )
    return text


def _with_error(ratio: float, error: float) -> str:
    return f"{ratio:.4f}" if error == 0 else f"{ratio:.4f} ±{error:.4f}"


def _capacity(capacity: int, curve: Curve) -> str:
    return readable_bytes(capacity) if curve.by_bytes else f"{capacity:,}"


def _print(title: str, heads: Sequence[str], rows: Rows) -> None:
    table = Table(title=Text(title))
    for head in heads:
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _plot(plan: Plan) -> None:
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(console.width, 100), 18)
    largest = int(max(each.capacities[-1] for each in plan.curves))
    for marker, each in zip("●x+o*#", plan.curves, strict=False):
        plotext.plot(
            each.capacities.tolist(), each.miss_ratios.tolist(), label=each.policy, marker=marker
        )
    plotext.xscale("log")
    smallest = int(min(each.capacities[0] for each in plan.curves))
    step = 1_024 if plan.curves[0].by_bytes else 10
    ticks = [step**power for power in range(64) if smallest <= step**power <= largest]
    plotext.xticks(ticks, [_capacity(tick, plan.curves[0]) for tick in ticks])
    plotext.ylim(0, 1)
    plotext.title("Miss ratio by capacity")
    console.out(plotext.uncolorize(plotext.build()), highlight=False)


def _draw(plan: Plan, png: Path | None, html: Path | None) -> None:
    from augury.sizing.drawing import draw, write_page  # loading matplotlib takes a while

    figure = draw(plan.curves, [plan.chosen] if plan.chosen else [])
    if png is not None:
        figure.savefig(png, dpi=120)
    if html is not None:
        tables = [curve_table(plan)]
        if plan.shares is not None:
            tables.append(share_table(plan.shares))
        said = [*([plan.note] if plan.note else []), *advice(plan)]
        write_page(html, _title(plan), figure, said, tables)
