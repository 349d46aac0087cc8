"""How far policies are from Belady's MIN, beside libcachesim's, on traces made and real."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import OUTPUT, Command, Scope, Section
from benchmarks.report.tables import judged, table, targets

ON = {"real": "Real traces", "generated": "Generated traces"}
QUICK = "auto,learned,lirs,wtinylfu,arc,lhd,LIRS,ARC,Clock2QPlus,LHD"
SHOWN = ("auto", "learned", "s3fifo", "lru")


def commands(scope: Scope) -> dict[str, Command]:
    few = ("--policies", QUICK, "--size", "1%,10%") if scope.quick else ()

    def command(folder: str, *more: str) -> Command:
        arguments = ("benchmarks/eviction.py", folder, *more, *few, "--json", OUTPUT)
        return Command(arguments, reduce, scope.quick)

    made = {"generated": command(str(scope.generated))}
    made["generated, bytes"] = command(str(scope.generated), "--bytes")
    if scope.traces:
        made["real"] = command(str(scope.traces))
        made["real, bytes"] = command(str(scope.traces), "--bytes")
    return made


def reduce(output: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means by policy, and the cells of those shown in each."""
    from benchmarks import eviction

    rows = [eviction.Row(**row) for row in output]
    kept: dict[str, Any] = {}
    for protocol in ("cold", "warm"):
        cells: eviction.Cells = {}
        for row in rows:
            if row.protocol == protocol:
                cells.setdefault((row.trace, row.size), {})[row.policy] = row
        if rows[0].unit == "bytes":
            kept[protocol] = {
                "cells": len(cells),
                "byte_miss_ratio": eviction.means(cells, lambda _, row: row.byte_miss_ratio),
                "miss_ratio": eviction.means(cells, lambda _, row: row.miss_ratio),
            }
            continue
        told = {
            key: cell
            for key, cell in cells.items()
            if cell["fifo"].miss_ratio - cell["belady"].miss_ratio >= eviction.LEAST
        }
        simple = ("s3fifo", "lru", "S3FIFO", "LRU")
        excess = {
            " at ".join(key): cell["auto"].miss_ratio - min(cell[p].miss_ratio for p in simple)
            for key, cell in cells.items()
        }
        kept[protocol] = {
            "cells": len(told),
            "all_cells": len(cells),
            "traces": len({trace for trace, _ in cells}),
            "gap": eviction.means(told, eviction.gap),
            "by_trace": {
                trace: {
                    policy: statistics.fmean(
                        eviction.gap(cell, cell[policy])
                        for (of, _), cell in told.items()
                        if of == trace
                    )
                    for policy in SHOWN
                    if policy in next(iter(told.values()))
                }
                for trace in dict.fromkeys(of for of, _ in told)
            },
            "above": {where: by for where, by in excess.items() if by > 0.01},
        }
    return kept


def render(figures: Figures) -> Iterator[str]:
    yield (
        "The gap to Belady is (misses - MIN's) / (FIFO's - MIN's): 0 is as good as can be, 1 is"
        " FIFO. Its mean is over the cells, a trace and a size of 1, 5, 10 or 20% of its keys,"
        " where FIFO and MIN differ by two points or more. *Cold* is the whole trace into an empty"
        " cache. *Warm* is the second half, of which the first filled the cache; `learned` has a"
        " model that `augury.learn` made of the first half, and counts in warm only. *Hindsight* is"
        " the best fixed policy of each cell. Both libraries run with their own defaults, every"
        " size 1 but where bytes are told."
    )
    for key, title in ON.items():
        if key in figures:
            yield f"### {title}"
            yield from _gaps(key, figures[key].figures)
        if f"{key}, bytes" in figures:
            yield from _bytes(figures[f"{key}, bytes"].figures)
    yield "### How it is counted"
    yield (
        "- One replay gives both protocols: misses are read in the middle. libcachesim's cache goes"
        " on in a second `process_trace`; on two traces this was compared with the whole replay"
        " less the first half, and every policy but the random ones (LHD, Hyperbolic, LeCaR,"
        " Cacheus) has exactly the same misses.\n"
        "- LRB and 3L-Cache have LRU's very misses on the shorter real traces and in all cells by"
        " bytes: they do not get as far as learning. They differ from LRU on kosarak, loop, oltp,"
        " orm-busy and p3, 3L-Cache in three cells of mooncake_syn and sprite as well.\n"
        "- GDSF and LHD count requests and keep what is small, so they are behind by bytes and"
        " ahead by requests; `auto` and `learned` do not look at sizes (a model does, to tell keys"
        " apart).\n"
        "- Time of a replay of the real traces, in LRU's of the same library, median and most of"
        " the cells: `s3fifo` 2.2 and 2.7, `auto` 3.2 and 8.2 (target 3), `learned` 187 and 646"
        " (0.8 µs a request on average), LRB 36 and 1,600, 3L-Cache 7.4 and 175.\n"
        "- [Policies](policies.md) says which traces these are; `python -m benchmarks.workloads"
        " FOLDER` writes the generated ones, which show how policies differ and not how often"
        " each shape is met."
    )


def _gaps(key: str, found: dict[str, Any]) -> Iterator[str]:
    cold, warm = found["cold"], found["warm"]
    yield plot(key, warm["gap"]).markdown
    if key == "real":
        yield targets(_targets(cold, warm))
    order = sorted(cold["gap"] | warm["gap"], key=lambda name: warm["gap"].get(name, 9.0))
    yield table(
        ["mean gap to Belady", f"cold, {cold['cells']} cells", f"warm, {warm['cells']} cells"],
        [
            [_named(name), *(f"{each[name]:.3f}" if name in each else "" for each in gaps)]
            for gaps in [(cold["gap"], warm["gap"])]
            for name in order
        ],
    )
    if by_trace := warm["by_trace"]:
        shown = [name for name in SHOWN if name in next(iter(by_trace.values()))]
        yield "By trace, warm, the mean of its sizes:"
        yield table(
            ["trace", *map(_named, shown)],
            [[trace, *(f"{gaps[name]:.3f}" for name in shown)] for trace, gaps in by_trace.items()],
        )
    for protocol, each in (("cold", cold), ("warm", warm)):
        where = sorted(each["above"].items(), key=lambda item: -item[1])
        told = ", ".join(f"{cell} {by:.3f}" for cell, by in where)
        yield (
            f"`auto`, {protocol}, is more than 0.01 of miss ratio above the better of S3-FIFO and"
            f" LRU, whosever, in {judged(str(len(where)), not where)} of {each['all_cells']} cells"
            + (f": {told}." if told else ".")
        )


def _targets(cold: dict[str, Any], warm: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    auto = cold["gap"]["auto"]
    yield "`auto`, cold", "at most 0.54", f"{auto:.3f}", auto <= 0.54
    learned, hindsight = warm["gap"]["learned"], warm["gap"]["hindsight, theirs"]
    yield (
        "`learned`, warm",
        f"libcachesim in hindsight, {hindsight:.3f}",
        f"{learned:.3f}",
        (learned < hindsight),
    )
    fixed = min(
        value
        for name, value in warm["gap"].items()
        if name not in ("auto", "learned", "belady") and not name.startswith("hindsight")
    )
    lead = fixed - learned
    yield "its lead on the best fixed policy", "0.10", f"{lead:.3f}", lead >= 0.10


def _bytes(found: dict[str, Any]) -> Iterator[str]:
    cold, warm = found["cold"], found["warm"]
    yield f"By bytes, mean of {warm['cells']} cells of traces with sizes:"
    names = sorted(
        cold["miss_ratio"] | warm["miss_ratio"],
        key=lambda name: warm["byte_miss_ratio"].get(name, 9.0),
    )
    yield table(
        ["policy", "cold: bytes", "requests", "warm: bytes", "requests"],
        [
            [
                _named(name),
                *(
                    f"{each[what][name]:.3f}" if name in each[what] else ""
                    for each in (cold, warm)
                    for what in ("byte_miss_ratio", "miss_ratio")
                ),
            ]
            for name in names
        ],
    )


def _named(policy: str) -> str:
    """Return a policy's name: ours as code, theirs as such."""
    if policy.startswith("hindsight"):
        return "hindsight among " + ("our fixed ones" if "ours" in policy else "libcachesim's")
    return f"`{policy}`" if policy == policy.lower() else f"libcachesim {policy}"


def plot(key: str, gaps: dict[str, float]) -> Plot:
    told = sorted(gaps.items(), key=lambda item: item[1])
    bars = {_named(name): gap for name, gap in told if gap <= 1.0 and name != "belady"}
    title = f"Mean gap to Belady's MIN, {ON[key].lower()}, warm (less is better)"
    return Plot(f"eviction-{key}", title, "0 is MIN, 1 is FIFO", bars=bars)


def plots(figures: Figures) -> Iterator[Plot]:
    for key in ON:
        if key in figures:
            yield plot(key, figures[key].figures["warm"]["gap"])


def facts(figures: Figures) -> dict[str, str]:
    if "real" not in figures:
        return {}
    warm = figures["real"].figures["warm"]
    closed = {name: f"{100 * (1 - warm['gap'][name]):.0f}" for name in SHOWN}
    return {**closed, "traces": str(warm["traces"])}


SECTION = Section(
    order=10,
    title="Eviction",
    peers=("libcachesim",),
    commands=commands,
    render=render,
    plots=plots,
    facts=facts,
)
