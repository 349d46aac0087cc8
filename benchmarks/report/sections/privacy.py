"""What hit ratio is lost by learning from noisy counters."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import table


def commands(scope: Scope) -> dict[str, Command]:
    few = ("--users", "5000", "--requests", "100000", "--rounds", "1") if scope.quick else ()
    arguments = ("benchmarks/private_training.py", *few, "--json")
    return {"privacy": Command(arguments, quick=scope.quick)}


def render(figures: Figures) -> Iterator[str]:
    yield (
        "Generated requests of many users: popular keys by a Zipf law, half of which change hourly,"
        " each user's own keys, and scans. A model of the first half, as it was and as"
        " `private_trace` made it up of noisy counters, decides in the second, with the guard that"
        " a cache has and without; medians, since the noise has no seed. *Shown* is the share of"
        " the requests whose keys pass the threshold."
    )
    yield table(
        ["learned from", "epsilon", "hit ratio", "unguarded", "shown"],
        [
            [
                row["learned_from"],
                "" if row["epsilon"] is None else f"{row['epsilon']:g}",
                f"{row['hit_ratio']:.3f}",
                f"{row['unguarded']:.3f}",
                f"{row['shown']:.1%}",
            ]
            for row in figures["privacy"].figures
        ],
    )


SECTION = Section(
    order=150,
    title="Privacy",
    peers=("opendp",),
    commands=commands,
    render=render,
)
