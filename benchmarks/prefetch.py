"""What fetching ahead saves: Augury's predictors, and two of the literature, in one run.

    python -m benchmarks.prefetch TRACES [--sizes 1%,5%,20%] [--policies lru,auto,s3fifo] [--json]

TRACES is a folder of traces. Of each trace, size and policy it replays: the policy alone; all
predictors together ("mixture"); for the first policy each by itself; and for LRU a Markov chain and
MITHRIL as in prefetch_baselines.py, of each of which the best of three settings in this very cell
counts, chosen in hindsight. A last table has each setting by itself.

saved      demand misses less than the policy's alone, in percent of these
precision  of what was fetched, the part that was used before it left
coverage   used / (used + misses)
load       misses and fetches more than the policy's misses, in percent of these
ns         a request, of the whole replay by the wall clock; of the literature in Python

Runs of integers (17, 18, 19 ...) are continued only where keys mean something: not in traces whose
keys are numbered in order of first appearance, where that would be reading the future
(`Spool.numbered`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import augury
from augury.accesslog import Spool
from augury.prefetch import PrefetchOptions, PrefetchResult, predictors, simulate_prefetch
from augury.simulation import capacity_of
from benchmarks.prefetch_baselines import Counts, Markov, Mithril, replay

FIVE = ("kosarak", "apache_combined", "w92", "mooncake_syn", "oltp")
OURS = ("mixture", *(predictor.name for predictor in predictors()))


@dataclass(frozen=True)
class Row:
    """One prefetcher in one cell."""

    trace: str
    size: str
    capacity: int
    policy: str
    prefetcher: str
    setting: str
    requests: int
    without: int
    """Misses of the policy alone."""
    misses: int
    fetched: int
    used: int
    seconds: float

    @property
    def saved(self) -> float:
        return 100 * (self.without - self.misses) / max(self.without, 1)

    @property
    def precision(self) -> float:
        return self.used / self.fetched if self.fetched else float("nan")

    @property
    def coverage(self) -> float:
        return self.used / max(self.used + self.misses, 1)

    @property
    def load(self) -> float:
        return 100 * (self.misses + self.fetched - self.without) / max(self.without, 1)

    @property
    def ns(self) -> float:
        return self.seconds / self.requests * 1e9


def ours(spool: Spool, name: str, sizes: list[str], policies: list[str]) -> Iterator[Row]:
    for which in OURS:
        options = PrefetchOptions(predictors=None if which == "mixture" else [which])
        chosen = policies if which == "mixture" else policies[:1]
        found = iter(simulate_prefetch(spool, chosen, sizes, options=options, jobs=1))
        for policy in chosen:
            for size in sizes:
                yield our_row(next(found), name, size, policy, which)


def our_row(found: PrefetchResult, name: str, size: str, policy: str, which: str) -> Row:
    return Row(
        trace=name,
        size=size,
        capacity=found.result.capacity,
        policy=policy,
        prefetcher=which,
        setting="",
        requests=found.result.requests,
        without=found.without.misses,
        misses=found.result.misses,
        fetched=found.report.fetched,
        used=found.report.used,
        seconds=found.result.seconds,
    )


Replay = Callable[[list[int], list[int], int], Counts]


def markov(most: int, threshold: float, *, support: int = 1, misses: bool = False) -> Replay:
    return lambda keys, sessions, capacity: replay(
        keys,
        sessions,
        capacity,
        Markov(most=most, threshold=threshold, support=support, misses=misses),
    )


def mithril(*, rows: int, every: bool = False) -> Replay:
    return lambda keys, sessions, capacity: replay(
        keys, sessions, capacity, Mithril(capacity, rows=rows, every=every), chances=2
    )


THEIRS: dict[str, dict[str, Replay]] = {
    "LRU+Markov": {
        "1, p>=0.5": markov(1, 0.5, support=2),
        "2, p>=0.3": markov(2, 0.3, support=2),
        "4, p>=0.1, misses": markov(4, 0.1, misses=True),
    },
    "MITHRIL": {
        "as published": mithril(rows=2560),
        "mined 10 times as often": mithril(rows=256),
        "of all requests, often": mithril(rows=256, every=True),
    },
}


def theirs(spool: Spool, name: str, sizes: list[str]) -> Iterator[Row]:
    keys: list[int] = []
    sessions: list[int] = []
    for chunk in spool.chunks():
        keys += chunk.ids.tolist()
        known = chunk.sessions if chunk.sessions is not None else np.zeros(len(chunk.ids), np.int64)
        sessions += known.tolist()
    for size in sizes:
        capacity = capacity_of(size, spool.distinct, by_bytes=False)
        without = augury.simulate(spool, policy="lru", capacity=capacity).misses
        for prefetcher, settings in THEIRS.items():
            for setting, run in settings.items():
                began = time.perf_counter()
                counts = run(keys, sessions, capacity)
                yield Row(
                    trace=name,
                    size=size,
                    capacity=capacity,
                    policy="lru",
                    prefetcher=prefetcher,
                    setting=setting,
                    requests=len(keys),
                    without=without,
                    **asdict(counts),
                    seconds=time.perf_counter() - began,
                )


def measure(paths: Iterable[Path], sizes: list[str], policies: list[str]) -> Iterator[Row]:
    for path in paths:
        name = path.name.split(".")[0]
        began = time.perf_counter()
        with Spool(augury.read_trace(path)) as spool:
            yield from ours(spool, name, sizes, policies)
            yield from theirs(spool, name, sizes)
        print(f"{name} {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def best(rows: Iterable[Row]) -> list[Row]:
    """Keep of each prefetcher in each cell the setting that saves most."""
    kept: dict[tuple[str, str, str, str], Row] = {}
    for row in rows:
        cell = (row.trace, row.size, row.policy, row.prefetcher)
        if cell not in kept or row.saved > kept[cell].saved:
            kept[cell] = row
    return list(kept.values())


def tables(rows: list[Row]) -> Iterator[str]:
    kept = best(rows)
    for policy in dict.fromkeys(row.policy for row in kept):
        those = [row for row in kept if row.policy == policy]
        yield from cells([row for row in those if row.size == "5%"], policy)
        yield from summary(those, policy)
        yield from alone(those, policy)
    yield from settings(rows)


def cells(rows: list[Row], policy: str) -> Iterator[str]:
    """Show the five traces where a predictor can help, one by one."""
    shown = [row for row in rows if row.prefetcher in ("mixture", *THEIRS) and row.trace in FIVE]
    if not shown:
        return
    yield f"\n{policy} at 5%\n"
    yield "| trace | prefetcher | saved, % | precision | coverage | load, % | ns |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for trace in FIVE:
        for row in shown:
            if row.trace == trace:
                yield (
                    f"| {trace} | {row.prefetcher} | {row.saved:.1f} | {row.precision:.2f} "
                    f"| {row.coverage:.2f} | {row.load:+.1f} | {row.ns:.0f} |"
                )
    for prefetcher in dict.fromkeys(row.prefetcher for row in shown):
        those = [row for row in shown if row.prefetcher == prefetcher]
        yield (
            f"| **mean** | {prefetcher} | **{statistics.fmean(r.saved for r in those):.1f}** "
            f"| {precision(those)} | {statistics.fmean(r.coverage for r in those):.2f} "
            f"| {statistics.fmean(r.load for r in those):+.1f} | |"
        )


def precision(rows: list[Row]) -> str:
    """Tell the mean of the cells in which anything to speak of was fetched."""
    told = [row.precision for row in rows if row.fetched >= 100]
    return f"{statistics.fmean(told):.2f}" if told else "-"


def summary(rows: list[Row], policy: str) -> Iterator[str]:
    traces = len({row.trace for row in rows})
    yield f"\n{policy}, all {traces} traces\n"
    yield "| size | prefetcher | saved, % | worst, % | of | precision, mean | least | load, % |"
    yield "|---|---|---:|---:|---|---:|---:|---:|"
    for size in dict.fromkeys(row.size for row in rows):
        for prefetcher in ("mixture", *THEIRS):
            those = [row for row in rows if (row.size, row.prefetcher) == (size, prefetcher)]
            if not those:
                continue
            worst = min(those, key=lambda row: row.saved)
            told = [row.precision for row in those if row.fetched >= 100]
            yield (
                f"| {size} | {prefetcher} | {statistics.fmean(r.saved for r in those):.1f} "
                f"| {worst.saved:+.2f} | {worst.trace} | {precision(those)} "
                f"| {min(told, default=float('nan')):.2f} "
                f"| {statistics.fmean(r.load for r in those):+.1f} |"
            )


def alone(rows: list[Row], policy: str) -> Iterator[str]:
    """Show the misses saved by each predictor by itself, at 5%."""
    if {row.prefetcher for row in rows if row.size == "5%"} < set(OURS):
        return
    yield f"\n{policy} at 5%: misses saved, %\n"
    yield f"| trace | {' | '.join(OURS)} |\n|---|{'---:|' * len(OURS)}"
    for trace in dict.fromkeys(row.trace for row in rows):
        saved = {r.prefetcher: r.saved for r in rows if (r.trace, r.size) == (trace, "5%")}
        if saved.keys() >= set(OURS):
            yield f"| {trace} | {' | '.join(f'{saved[name]:.1f}' for name in OURS)} |"


def settings(rows: list[Row]) -> Iterator[str]:
    """Show how each setting of the literature's does by itself."""
    yield "\nlru: misses saved by setting, %\n"
    yield "| prefetcher | setting | all cells | worst | the five at 5% |\n|---|---|---:|---:|---:|"
    for prefetcher, named in THEIRS.items():
        for setting in named:
            those = [r for r in rows if (r.prefetcher, r.setting) == (prefetcher, setting)]
            five = [r.saved for r in those if r.trace in FIVE and r.size == "5%"]
            if those and five:
                saved = [row.saved for row in those]
                yield (
                    f"| {prefetcher} | {setting} | {statistics.fmean(saved):.1f} "
                    f"| {min(saved):.1f} | {statistics.fmean(five):.1f} |"
                )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", type=Path, help="folder of traces, or a file of --json's rows")
    parser.add_argument("--names", default="", help="only these traces, separated by commas")
    parser.add_argument("--sizes", default="1%,5%,20%", help="percent of keys, by commas")
    parser.add_argument("--policies", default="lru,auto,s3fifo", help="separated by commas")
    parser.add_argument("--json", action="store_true", help="print rows, a line each")
    options = parser.parse_args()
    rows = []
    if options.traces.is_file():
        with options.traces.open() as file:
            rows = [Row(**json.loads(line)) for line in file]
    else:
        only = set(filter(None, options.names.split(",")))
        paths = [
            path
            for path in sorted(options.traces.iterdir())
            if path.suffix in {".zst", ".log"} and (not only or path.name.split(".")[0] in only)
        ]
        for row in measure(paths, options.sizes.split(","), options.policies.split(",")):
            rows.append(row)
            if options.json:
                print(json.dumps(asdict(row)), flush=True)
    if not rows:
        parser.error(f"no trace in {options.traces}")
    if not options.json:
        print("\n".join(tables(rows)))


if __name__ == "__main__":
    main()
