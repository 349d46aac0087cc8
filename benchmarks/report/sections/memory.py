"""Bytes that a cache takes for an entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.sections.live import PEERS
from benchmarks.report.tables import judged, table


def commands(scope: Scope) -> dict[str, Command]:
    quick = ("--quick",) if scope.quick else ()
    arguments = ("augury", "bench", "--json", *quick, "--only", "memory")
    return {"memory": Command(arguments, quick=scope.quick)}


def measured(figures: Figures) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = figures["memory"].figures["rows"][0]["measurements"]
    return found


def render(figures: Figures) -> Iterator[str]:
    yield next(plots(figures)).markdown
    entries = "200,000" if figures["memory"].quick else "1,000,000"
    yield (
        "The growth of the resident memory of a fresh process, a contender each, while"
        f" {entries} entries of int keys are written. Keys and values exist before and do not"
        " count. Target: at most a dict's bytes and 32 more. A dict grows in steps, so that its"
        " bytes an entry depend on the number of entries; a million is neither its best nor its"
        " worst case. What `auto` takes besides are its shadow caches and what it remembers of"
        " requests."
    )
    yield table(
        ["contender", "bytes an entry"],
        [
            [each["contender"], judged(f"{each['value']:.1f}", each["met"])]
            for each in measured(figures)
        ],
    )


def plots(figures: Figures) -> Iterator[Plot]:
    shown = ("dict", "functools.lru_cache", "augury s3fifo", "augury lru", "augury auto", *PEERS)
    values = {each["contender"]: each["value"] for each in measured(figures)}
    bars = {name: values[name] for name in shown if name in values}
    yield Plot("memory", "Memory of an entry, key and value apart", "bytes", bars=bars)


SECTION = Section(
    order=30,
    title="Memory",
    peers=PEERS,
    commands=commands,
    render=render,
    plots=plots,
)
