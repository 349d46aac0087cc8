"""What training in the background costs a cache that serves many requests."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import table


def commands(scope: Scope) -> dict[str, Command]:
    seconds = ("--seconds", "20") if scope.quick else ()
    return {"learning": Command(("benchmarks/learner.py", *seconds), quick=scope.quick)}


def render(figures: Figures) -> Iterator[str]:
    yield (
        "100,000 requests a second by a Zipf law whose keys change places halfway, so that the"
        " model in use goes out of date; 5,000 entries. Times are those of a request, by batches of"
        " which each is timed as a whole, in this thread."
    )
    yield table(
        ["learner", "requests a second", "miss ratio", "share of a core", "median, ns", "p99, ns"],
        [
            [
                "yes" if row["learn"] else "no",
                f"{row['requests_per_second']:,}",
                f"{row['miss_ratio']:.4f}",
                f"{row['learner_share_of_a_core']:.1%}",
                f"{row['request_ns_median']:,}",
                f"{row['request_ns_p99']:,}",
            ]
            for row in figures["learning"].figures
        ],
    )
    yield (
        "[Learning](learning.md) has what models gain on real traces, by kind and by feature; the"
        " section on eviction has the sum of it."
    )


SECTION = Section(
    order=75,
    title="Learning in the background",
    peers=("lightgbm", "river"),
    commands=commands,
    render=render,
)
