"""`augury inspect`: tells what a trace is like."""

from __future__ import annotations

from pathlib import Path

import plotext
from rich.table import Table
from rich.text import Text

from augury.accesslog import Profile, Spool, profile
from augury.cli.terminal import console, print_json, progress, readable_bytes, writable
from augury.cli.trace import (
    ColumnOption,
    FormatOption,
    JsonOption,
    MalformedOption,
    PngOption,
    TraceArgument,
    open_trace,
    report_malformed,
)


def command(
    trace: TraceArgument,
    format: FormatOption = None,
    column: ColumnOption = None,
    max_malformed: MalformedOption = 0.01,
    json: JsonOption = False,
    png: PngOption = None,
) -> None:
    """Tell what a trace is like: keys, popularity, reuse distances."""
    if png is not None:
        writable(png)
    opened = open_trace(trace, format, column, max_malformed)
    with (
        progress(f"Reading {trace.name}") as tell,
        Spool(opened, progress=lambda share: tell(share / 2)) as spool,
    ):
        found = profile(spool, progress=lambda share: tell(0.5 + share / 2))
    report_malformed(opened.malformed)
    if png is not None:
        _plot(found, png)
    if json:
        print_json({"format": opened.format, **opened.malformed.counts(), **found.as_dict()})
    else:
        console.print(_table(found, trace.name, opened.format))
        _draw(found)


def _table(found: Profile, name: str, format: str) -> Table:
    table = Table(title=Text(f"{name} ({format})"), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "requests": f"{found.requests:,}",
        "distinct keys": f"{found.distinct:,}",
        "requests per key": f"{found.requests / found.distinct:.2f}",
        "keys asked for once": f"{found.one_hit_wonders / found.distinct:.1%}",
        "footprint": "unknown" if found.footprint is None else readable_bytes(found.footprint),
        "period": "unknown" if found.seconds is None else f"{found.seconds:,.0f} s",
        **(
            {}
            if found.sessions is None
            else {
                "sessions": f"{found.sessions:,}",
                "requests per session": f"{found.requests_per_session:.2f}",
            }
        ),
        "skew (Zipf exponent)": "unknown" if found.skew is None else f"{found.skew:.2f}",
        "requests for the hottest 1%": f"{found.hottest_percent:.1%}",
        "median reuse distance": "none"
        if found.median_reuse_distance is None
        else f"{found.median_reuse_distance:,} keys",
        "least miss ratio (all fits)": f"{found.distinct / found.requests:.4f}",
    }
    for label, value in rows.items():
        table.add_row(label, value)
    return table


def _draw(found: Profile) -> None:
    capacities, ratios = zip(*found.lru_miss_ratios, strict=True)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(console.width, 100), 18)
    plotext.plot(capacities, ratios)
    plotext.xscale("log")
    decades = [10**power for power in range(len(str(capacities[-1])))]
    plotext.xticks(decades, [f"{decade:,}" for decade in decades])
    plotext.ylim(0, 1)
    plotext.title("LRU miss ratio by capacity in entries, from the reuse distances")
    console.out(plotext.uncolorize(plotext.build()), highlight=False)


def _plot(found: Profile, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    reuse, popularity = figure.subplots(1, 2)
    reuse.plot(*zip(*found.lru_miss_ratios, strict=True))
    reuse.set_xscale("log")
    reuse.set_ylim(0, 1)
    reuse.set_xlabel("capacity in entries")
    reuse.set_ylabel("LRU miss ratio (reuse distances)")
    popularity.plot(*zip(*found.popularity, strict=True))
    popularity.set_xscale("log")
    popularity.set_yscale("log")
    popularity.set_xlabel("rank of a key")
    popularity.set_ylabel("requests")
    for axes in (reuse, popularity):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
