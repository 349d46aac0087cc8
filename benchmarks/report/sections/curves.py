"""How near sampled miss-ratio curves are to exact ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

ERROR, AET_ERROR, SPEED, MEBIBYTES = 0.01, 0.02, 10.0, 10.0


def commands(scope: Scope) -> dict[str, Command]:
    few = ("--seeds", "3") if scope.quick else ()

    def command(folder: str, *names: str) -> Command:
        arguments = ("benchmarks/curves.py", folder, *names, *few, "--json")
        return Command(arguments, quick=scope.quick)

    made = {"generated": command(str(scope.generated), "drift", "phases")}
    if scope.traces:
        made["real"] = command(str(scope.traces), "p3", "oltp")
    return made


def render(figures: Figures) -> Iterator[str]:
    yield (
        "The mean absolute error of the miss ratio, to the exact curve, over 100 sizes spaced"
        ' evenly up to all keys ("even"), and over 50 spaced geometrically from 0.1% of the keys'
        ' ("log"); the mean of the seeds, and the worst. Requests a second are of the curve itself,'
        " the trace being in memory, in the median and in the slowest run; MB is what the native"
        " sample takes. Targets, of sampling at 1% and sizes spaced evenly: 0.01 (AET: 0.02), 10"
        " million requests a second, 10 MB."
    )
    for key in ("real", "generated"):
        for found in figures[key].figures if key in figures else ():
            yield (
                f"`{found['trace']}`, {key}: {found['requests']:,} requests, {found['keys']:,}"
                f" keys. Exact: {found['exact_speed']:.1f} million requests a second,"
                f" {found['exact_megabytes']:.1f} MB. SHARDS at 1% from the file on:"
                f" {found['file_speed']:.1f} million. The process grows by"
                f" {_growth(found['growth'])} MiB at most."
            )
            yield table(
                [
                    "method", "even", "worst", "log", "worst", "in the error bar", "M/s",
                    "slowest", "MB",
                ],
                map(_row, found["rows"]),
            )  # fmt: skip
    yield (
        "A cache of 0.1% of the keys is a few keys of a sample of 1%, which is why errors are"
        " larger on the log scale; a sample of 16,384 keys is the default. The error bar is meant"
        " to hold 95% of the time. [Sizing](sizing.md#how-near-how-fast) tells what that means, and"
        " what the corrections are worth."
    )


def _growth(grown: dict[str, float]) -> str:
    return judged(f"{max(grown.values()):.1f}", max(grown.values()) <= MEBIBYTES)


def _row(row: dict[str, Any]) -> list[str]:
    sampled = "1%" in row["method"]
    wanted = AET_ERROR if row["method"].startswith("aet") else ERROR
    return [
        row["method"],
        judged(f"{row['even']:.4f}", row["even"] <= wanted if sampled else None),
        f"{row['even_worst']:.4f}",
        f"{row['log']:.4f}",
        f"{row['log_worst']:.4f}",
        f"{row['in_error_bar']:.0%}",
        judged(f"{row['speed']:.0f}", row["speed"] >= SPEED if sampled else None),
        f"{row['slowest']:.0f}",
        "" if row["megabytes"] is None else f"{row['megabytes']:.2f}",
    ]


SECTION = Section(
    order=80,
    title="Curves",
    commands=commands,
    render=render,
)
