"""Nanoseconds of the live cache's operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

PEERS = ("cachetools", "cachebox", "lru-dict", "theine", "moka-py")
READS = ("hit-str", "hit-str-small", "hit-int", "hit-int-small", "hit-str-4-threads", "miss")
WRITES = ("insert", "zipf", "zipf-4-threads", "memo", "memo-small")
KINDS = ("hit", "miss", "insert", "zipf", "memo")
DEAREST = ("augury slru", "augury lirs", "augury lhd", "augury auto", "augury learned")
"""Whose hits do more than mark an entry; README tells of the others."""

Rows = dict[str, dict[str, Any]]


def commands(scope: Scope) -> dict[str, Command]:
    only = tuple(word for kind in KINDS for word in ("--only", kind))
    quick = ("--quick",) if scope.quick else ()
    return {"live": Command(("augury", "bench", "--json", *quick, *only), quick=scope.quick)}


def rows_of(figures: Figures) -> Rows:
    return {row["row"]: row for row in figures["live"].figures["rows"]}


def measured(rows: Rows, names: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return measurements by contender and row."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names:
        for each in rows[name]["measurements"]:
            found.setdefault(each["contender"], {})[name] = each
    return found


def ratios(rows: Rows, names: Sequence[str]) -> str:
    return table(
        ["contender", *names],
        [
            [
                contender,
                *(
                    judged(f"{of[name]['ratio']:.2f}", of[name]["met"]) if name in of else ""
                    for name in names
                ),
            ]
            for contender, of in measured(rows, names).items()
        ],
    )


def reference(rows: Rows, name: str) -> list[str]:
    row = rows[name]
    value = next(m["value"] for m in row["measurements"] if m["contender"] == row["reference"])
    return [name, row["reference"], f"{value:.1f}"]


def render(figures: Figures) -> Iterator[str]:
    rows = rows_of(figures)
    yield plot(rows).markdown
    yield (
        "Reads, as a ratio to `dict.get`. Small caches hold 100 entries, the others 10,000."
        " cachetools is read by `cache[key]`, which is faster than its `get`; cachebox memoises"
        " without its lock and its copies; theine gets a key function; moka-py runs LRU. Peers"
        " whose documents ask for a lock among threads get one (cachetools, the dict). theine and"
        " moka-py evict in the background or in batches. Targets: hits and misses at most 1.15"
        " times `dict.get`."
    )
    yield ratios(rows, READS)
    yield (
        "Writes and mixes, as a ratio to a dict with a queue of its keys (first in, first out,"
        " written in Python), and memoised calls, as a ratio to `functools.lru_cache`. Targets:"
        " insertion with eviction 0.8, the Zipf mix 1.0, a memoised call 0.65."
    )
    yield ratios(rows, WRITES)
    yield "What the references cost:"
    yield table(["row", "reference", "ns"], [reference(rows, name) for name in (*READS, *WRITES)])
    yield (
        "What to read in it:\n\n"
        "- Policies whose hit only marks an entry are as fast as a dict; **slru** and **lirs** move"
        " entries between queues, and **lhd** measures at every hit. `auto` asks its shadow caches"
        " of a sample of the requests.\n"
        "- Where 10,000 results are asked in random order, a memoised call and `lru_cache`'s both"
        " wait for memory, and a call's key is one line more to fetch.\n"
        "- s3fifo, 2q, arc, lirs and lruk remember keys that left, and lhd and hyperbolic look at"
        " 16 and 64 entries at every eviction: that is what their insertion costs.\n"
        "- What policies save in misses is not counted here. With threads, the dict with a queue"
        " needs a lock and Augury does not."
    )


def plot(rows: Rows) -> Plot:
    shown = ("augury s3fifo", "augury lru", "augury auto", *PEERS)
    of = measured(rows, ["hit-str"])
    bars = {name: of[name]["hit-str"]["ratio"] for name in shown if name in of}
    return Plot("live-hit", "A hit, in dict.get's time (less is better)", "ratio", bars=bars)


def plots(figures: Figures) -> Iterator[Plot]:
    yield plot(rows_of(figures))


def facts(figures: Figures) -> dict[str, str]:
    rows = rows_of(figures)
    hits = {
        (contender, name): each["ratio"]
        for contender, of in measured(rows, READS[:4]).items()
        for name, each in of.items()
    }
    usual = [
        ratio
        for (contender, _), ratio in hits.items()
        if contender.startswith("augury") and contender not in DEAREST
    ]
    default = [ratio for (contender, _), ratio in hits.items() if contender == "augury auto"]
    memo = measured(rows, ["memo-small"])["augury auto"]["memo-small"]["ratio"]
    return {
        "low_hit": f"{min(usual):.2f}",
        "high_hit": f"{max(usual):.2f}",
        "low_auto": f"{min(default):.2f}",
        "high_auto": f"{max(default):.2f}",
        "memo": f"{memo:.2f}",
    }


SECTION = Section(
    order=20,
    title="Live operations",
    peers=PEERS,
    commands=commands,
    render=render,
    plots=plots,
    facts=facts,
)
