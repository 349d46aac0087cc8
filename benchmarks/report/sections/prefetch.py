"""What fetching ahead saves, beside two prefetchers of the literature."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

NAMES = ("mixture", "LRU+Markov", "MITHRIL")
FIVE = ("kosarak", "apache_combined", "w92", "mooncake_syn", "oltp")


def commands(scope: Scope) -> dict[str, Command]:
    few = ("--policies", "lru", "--sizes", "5%") if scope.quick else ()

    def command(folder: str, *more: str) -> Command:
        arguments = ("-m", "benchmarks.prefetch", folder, *more, *few, "--json")
        return Command(arguments, reduce, scope.quick)

    made = {"generated": command(str(scope.generated))}
    if scope.traces:
        made["real"] = command(str(scope.traces))
    return made


def reduce(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the tables show of each cell of the mixture and of the literature."""
    from benchmarks import prefetch

    kept = prefetch.best([prefetch.Row(**row) for row in output])
    return [
        {
            "trace": row.trace,
            "size": row.size,
            "policy": row.policy,
            "prefetcher": row.prefetcher,
            "saved": row.saved,
            "precision": row.precision if row.fetched >= 100 else None,
            "load": row.load,
        }
        for row in kept
        if row.prefetcher in NAMES
    ]


def render(figures: Figures) -> Iterator[str]:
    yield (
        "`mixture` is all of Augury's predictors together. A first-order Markov chain (Joseph,"
        " Grunwald 1997) and MITHRIL (Yang et al. 2017, after its authors' code) fetch directly"
        " into an LRU; of each the best of three settings counts, chosen in hindsight in each cell."
        " *Saved* are demand misses less than the policy's alone, *load* is how much more the"
        " source is asked, both in percent. Target, on the mean of kosarak, apache_combined, w92,"
        " mooncake_syn and oltp at 5%: 15% fewer at a precision of a half, and nowhere more than"
        " 0.5% more misses. [Fetching ahead](prefetch.md) has each predictor by itself."
    )
    for key, title in (("real", "real"), ("generated", "generated")):
        if key not in figures:
            continue
        rows = figures[key].figures
        yield next(_plots(key, rows)).markdown
        yield f"LRU at 5% of the keys, {title} traces:"
        yield table(
            ["trace", "prefetcher", "saved, %", "precision", "load, %"], _cells(rows), left=2
        )
        yield f"All {len({row['trace'] for row in rows})} {title} traces:"
        yield table(
            ["policy", "size", "prefetcher", "saved, %", "least", "on", "precision", "load, %"],
            _summary(rows),
            left=3,
        )


def _mean(rows: list[dict[str, Any]], what: str) -> float:
    told = [row[what] for row in rows if row[what] is not None]
    return statistics.fmean(told) if told else math.nan


def _cells(rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    those = [row for row in rows if (row["policy"], row["size"]) == ("lru", "5%")]
    shown = [row for row in those if row["trace"] in FIVE] or those
    for row in shown:
        yield [row["trace"], *_figures([row])]
    for name in NAMES:
        of = [row for row in shown if row["prefetcher"] == name]
        saved, precision = _mean(of, "saved"), _mean(of, "precision")
        judging = name == "mixture" and of[0]["trace"] in FIVE
        yield [
            "mean",
            name,
            judged(f"{saved:.1f}", saved >= 15 if judging else None),
            judged(f"{precision:.2f}", precision >= 0.5 if judging else None),
            f"{_mean(of, 'load'):+.1f}",
        ]


def _figures(rows: list[dict[str, Any]]) -> list[str]:
    precision = _mean(rows, "precision")
    return [
        rows[0]["prefetcher"],
        f"{_mean(rows, 'saved'):.1f}",
        "" if math.isnan(precision) else f"{precision:.2f}",
        f"{_mean(rows, 'load'):+.1f}",
    ]


def _summary(rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    for cell in dict.fromkeys((row["policy"], row["size"], row["prefetcher"]) for row in rows):
        those = [row for row in rows if (row["policy"], row["size"], row["prefetcher"]) == cell]
        worst = min(those, key=lambda row: row["saved"])
        least = judged(
            f"{worst['saved']:+.2f}", worst["saved"] >= -0.5 if cell[2] == "mixture" else None
        )
        name, saved, precision, load = _figures(those)
        yield [cell[0], cell[1], name, saved, least, worst["trace"], precision, load]


def _plots(key: str, rows: list[dict[str, Any]]) -> Iterator[Plot]:
    those = [row for row in rows if (row["policy"], row["size"]) == ("lru", "5%")]
    shown = [row for row in those if row["trace"] in FIVE] or those
    bars = {
        f"augury, {name}" if name == "mixture" else name: _mean(
            [row for row in shown if row["prefetcher"] == name], "saved"
        )
        for name in NAMES
    }
    title = f"Misses saved by fetching ahead, LRU at 5%, {key} traces (more is better)"
    yield Plot(f"prefetch-{key}", title, "percent of the misses", bars=bars)


def plots(figures: Figures) -> Iterator[Plot]:
    for key in ("real", "generated"):
        if key in figures:
            yield from _plots(key, figures[key].figures)


SECTION = Section(
    order=70,
    title="Fetching ahead",
    commands=commands,
    render=render,
    plots=plots,
)
