"""Learned answers beside SQLite, DuckDB, samples and a cache of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

Run = dict[str, Any]
Line = tuple[str, str, Callable[[Run], float], str, Callable[[float], bool] | None]

LINES: tuple[Line, ...] = (
    ("not sent to the database", "80%", lambda r: r["not_sent"], "{:.1%}", lambda v: v >= 0.8),
    ("a cache of results alone", "", lambda r: r["exact_result_cache"]["not_sent"], "{:.1%}", None),
    ("inferred answers in their interval", "95%", lambda r: r["coverage"], "{:.1%}",
     lambda v: v >= 0.95),
    ("least of each query", "93%", lambda r: min(r["coverage_by_query"].values()), "{:.1%}",
     lambda v: v >= 0.93),
    ("least of the ten parts by selectivity", "93%", lambda r: min(r["coverage_by_decile"]),
     "{:.1%}", lambda v: v >= 0.93),
    ("counts: median relative error", "2%", lambda r: r["count_error"]["median"], "{:.2%}",
     lambda v: v <= 0.02),
    ("the same from 1% of the rows", "", lambda r: r["sample_count_error"]["median"], "{:.0%}",
     None),
    ("inferred, p50, µs", "50", lambda r: r["microseconds"]["p50"], "{:.1f}", lambda v: v <= 50),
    ("inferred at once, millions a second", "1",
     lambda r: min(r["asked_at_once_per_second"].values()) / 1e6, "{:.2f}", lambda v: v >= 1),
    ("SQLite, times slower", "50",
     lambda r: r["others_microseconds"]["SQLite"]["times_slower"], "{:.0f}", lambda v: v >= 50),
    ("DuckDB, times slower", "10",
     lambda r: r["others_microseconds"]["DuckDB"]["times_slower"], "{:.0f}", lambda v: v >= 10),
    ("DuckDB on 1% of the rows, times slower", "",
     lambda r: r["others_microseconds"]["DuckDB, 1% sample"]["times_slower"], "{:.0f}", None),
)  # fmt: skip


def commands(scope: Scope) -> dict[str, Command]:
    seeds = "1" if scope.quick else "3"
    arguments = ("benchmarks/answers.py", "--seeds", seeds, "--json")
    return {"answers": Command(arguments, lambda output: output["runs"], scope.quick)}


def render(figures: Figures) -> Iterator[str]:
    runs = figures["answers"].figures
    yield next(plots(figures)).markdown
    yield (
        "20,000 questions, how many flights or their mean delay, about ranges of the 336,776 real"
        " flights of 2013, popular by Zipf's law; 5% of a count or 2 minutes of a delay are"
        " tolerated, at 95% confidence. The first 5,000 are learned from, figures are of the 15,000"
        " after them, all compared with the right answer. Times are medians of the same questions."
    )
    yield table(
        ["", "target", *(f"seed {run['seed']}" for run in runs)],
        [
            [
                what,
                asked,
                *(
                    judged(shape.format(value), met(value) if met else None)
                    for value in map(of, runs)
                ),
            ]
            for what, asked, of, shape, met in LINES
        ],
        left=2,
    )
    yield (
        "SQLite is mapped into memory and has an index; it is as slow as a carrier has flights."
        " [Learned answers](answers.md#how-right-and-how-fast) has the shift of the data, the"
        " published peers, and what did not work."
    )


def plots(figures: Figures) -> Iterator[Plot]:
    run = figures["answers"].figures[0]
    bars = {"augury, inferred": run["microseconds"]["p50"]}
    bars |= {name: of["p50"] for name, of in run["others_microseconds"].items()}
    yield Plot(
        "answers", "The answer to a question, median (less is better)", "µs, logarithmic",
        bars=bars, logarithmic=True,
    )  # fmt: skip


def facts(figures: Figures) -> dict[str, str]:
    runs = figures["answers"].figures
    kept, right = (100 * min(run[what] for run in runs) for what in ("not_sent", "coverage"))
    return {"kept": f"{kept:.1f}", "right": f"{right:.1f}", "questions": "15,000"}


SECTION = Section(
    order=100,
    title="Answers",
    peers=("duckdb", "SQLAlchemy"),
    commands=commands,
    render=render,
    plots=plots,
    facts=facts,
)
