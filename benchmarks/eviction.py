"""Replay libcachesim's 20 policies and ours side by side: how far each is from Belady's MIN.

    python benchmarks/eviction.py TRACES [--bytes] [--names w92,p3] [--policies auto,LRB] [--json F]
    python benchmarks/eviction.py FILE      the same tables from what --json wrote

TRACES is a folder of traces. Each cell is a trace and a cache of 1, 5, 10 or 20% of its distinct
keys. One replay gives both protocols, since misses are counted in each half: "cold" is the whole
trace, into an empty cache; "warm" is the second half, of which the first has filled the cache and
trained what learns. `learned` has a model that `augury.learn` made of the first half, so it counts
in "warm" only.

The gap to Belady is (misses - MIN's) / (FIFO's - MIN's): 0 is as good as can be, 1 is FIFO. Its
mean is over the cells where FIFO misses at least 2% of the requests more than MIN. The hindsight
choice is the best policy of each cell; neither it nor the best fixed one is `auto` or `learned`.
With --bytes entries weigh their sizes, capacities are percents of the distinct bytes, and traces
whose sizes are all the same are left out; the mean is of byte miss ratios then, since no policy is
known to be optimal. Times are those of the whole replay, as multiples of LRU's: the same
library's LRU, in this run. Needs libcachesim, and lightgbm for `learned`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import libcachesim
import numpy as np
from numpy.typing import NDArray

import augury
from augury import _native
from augury.accesslog import Spool
from augury.policies import describe, names
from augury.simulation import capacity_of

SIZES = "1%,5%,10%,20%"
LEAST = 0.02  # of miss ratio, between FIFO and Belady
REPEATS = 3  # of our replays, of which the shortest counts; theirs take minutes
ALWAYS = ("fifo", "lru", "s3fifo", "belady", "LRU", "S3FIFO")  # others are compared with these
THEIRS = (
    "FIFO", "LRU", "LFU", "LRUK", "TwoQ", "SLRU", "ARC", "LIRS", "ClockPro", "Clock2QPlus",
    "Sieve", "S3FIFO", "WTinyLFU", "LHD", "Hyperbolic", "LeCaR", "Cacheus", "GLCache", "LRB",
    "ThreeLCache",
)  # fmt: skip
BY_SIZE = ("GDSF", "BeladySize")  # further ones with --bytes
SHOWN = ("auto", "learned", "s3fifo", "lru")  # in each cell
SHOWN_BY_SIZE = (*SHOWN, "gdsf", "lhd", "GDSF", "LHD", "LRB", "ThreeLCache", "GLCache")
RECORD = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])


class Counts(NamedTuple):
    """What was missed of some requests."""

    requests: int
    misses: int
    requested_bytes: int
    missed_bytes: int


@dataclass(frozen=True)
class Row:
    """One policy in one cell and protocol."""

    unit: str
    protocol: str
    trace: str
    size: str
    capacity: int
    policy: str
    requests: int
    misses: int
    miss_ratio: float
    byte_miss_ratio: float
    times_lru: float | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A trace as both libraries read it."""

    name: str
    spool: Spool
    ids: NDArray[np.uint32]
    sizes: NDArray[np.uint64]
    next: NDArray[np.int64]
    times: NDArray[np.uint32] | None
    file: str  # the same as oracleGeneral records

    @property
    def half(self) -> int:
        return len(self.ids) // 2

    def halves(self) -> tuple[slice, slice]:
        return slice(0, self.half), slice(self.half, None)

    @functools.cached_property
    def model(self) -> _native.Model:
        return augury.learn(self.spool, "gbm", until=0.5).native


@contextlib.contextmanager
def prepared(path: Path) -> Iterator[Prepared]:
    with (
        Spool(augury.read_trace(path)) as spool,
        NamedTemporaryFile(suffix=".oracleGeneral") as file,
    ):
        chunks = list(spool.chunks(next_access=True))
        ids = np.concatenate([chunk.ids for chunk in chunks])
        following = np.concatenate([chunk.next for chunk in chunks if chunk.next is not None])
        sized = [chunk.sizes for chunk in chunks if chunk.sizes is not None]
        sizes = np.concatenate(sized) if sized else np.ones(len(ids), np.uint64)
        timed = [chunk.times for chunk in chunks if chunk.times is not None]
        times = np.concatenate(timed) if timed else None
        records = np.zeros(len(ids), RECORD)
        records["key"] = ids.astype(np.uint64) + 1
        records["time"] = np.arange(len(ids)) if times is None else times - times[0]
        records["size"] = sizes
        records["next"] = np.where(following == np.iinfo(np.int64).max, -1, following)
        records.tofile(file)
        file.flush()
        yield Prepared(path.name.split(".")[0], spool, ids, sizes, following, times, file.name)


@dataclass(frozen=True, eq=False)
class Cell:
    """A trace at one size."""

    trace: Prepared
    size: str
    by_bytes: bool
    lru: dict[bool, float] = field(default_factory=dict)  # seconds, by whether it is theirs

    @property
    def capacity(self) -> int:
        spool = self.trace.spool
        whole = spool.footprint if self.by_bytes else spool.distinct
        return capacity_of(self.size, whole, by_bytes=self.by_bytes)

    def run(self, policy: str) -> Iterator[Row]:
        theirs = policy in THEIRS or policy in BY_SIZE
        if theirs:
            first, second, seconds = self._replay_theirs(policy)
        else:
            turns = 1 if policy == "learned" else REPEATS
            replays = [self._replay_ours(policy) for _ in range(turns)]
            first, second, seconds = min(replays, key=lambda replay: replay[2])
        if policy.lower() == "lru":
            self.lru[theirs] = seconds
        whole = Counts(*(a + b for a, b in zip(first, second, strict=True)))
        for protocol, counts in (("cold", whole), ("warm", second)):
            if (policy, protocol) == ("learned", "cold"):
                continue
            yield Row(
                "bytes" if self.by_bytes else "entries",
                protocol,
                self.trace.name,
                self.size,
                self.capacity,
                policy,
                counts.requests,
                counts.misses,
                counts.misses / counts.requests,
                counts.missed_bytes / counts.requested_bytes,
                seconds / self.lru[theirs] if theirs in self.lru else None,
            )

    def _replay_ours(self, policy: str) -> tuple[Counts, Counts, float]:
        trace = self.trace
        simulation = _native.Simulation(
            policy,
            self.capacity,
            weighed=self.by_bytes,
            model=trace.model if policy == "learned" else None,
        )
        following = trace.next if describe(policy).offline else None
        counts = []
        hashes, numbers = trace.spool.hashes, trace.spool.numbers
        seconds = 0.0
        for half in trace.halves():
            ids, sizes = trace.ids[half], trace.sizes[half]
            coming = following[half] if following is not None else None
            times = trace.times[half] if trace.times is not None else None
            began = time.perf_counter()
            simulation.feed(ids, hashes, sizes, coming, numbers, times)
            seconds += time.perf_counter() - began
            counts.append(
                Counts(
                    simulation.requests,
                    simulation.misses,
                    simulation.requested_bytes,
                    simulation.missed_bytes,
                )
            )
            simulation.reset_counts()
        return counts[0], counts[1], seconds

    def _replay_theirs(self, policy: str) -> tuple[Counts, Counts, float]:
        # A second call goes on with the same cache, so its misses are those that the whole replay
        # has more than the first half alone: that was compared for all policies but random ones.
        trace = self.trace
        entries = capacity_of(self.size, trace.spool.distinct, by_bytes=False)
        build = getattr(libcachesim, policy)
        seconds = 0.0
        counts = []
        with silent():
            reader = libcachesim.TraceReader(
                trace.file,
                libcachesim.TraceType.ORACLE_GENERAL_TRACE,
                libcachesim.ReaderInitParam(ignore_obj_size=not self.by_bytes),
            )
            # The table as it comes is several times as slow; misses are the same.
            cache = build(self.capacity, hashpower=max(12, entries.bit_length() + 1))
            for start, half in zip((0, trace.half), trace.halves(), strict=True):
                sizes = trace.sizes[half]
                began = time.perf_counter()
                ratio, byte_ratio = cache.process_trace(reader, start, len(sizes))
                seconds += time.perf_counter() - began
                size = int(sizes.sum()) if self.by_bytes else len(sizes)
                counts.append(
                    Counts(len(sizes), round(ratio * len(sizes)), size, round(byte_ratio * size))
                )
        return counts[0], counts[1], seconds


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep libcachesim's log from the terminal, which it writes to behind Python's back."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def measure(
    paths: list[Path], sizes: list[str], policies: list[str], *, by_bytes: bool
) -> Iterator[Row]:
    for path in paths:
        with prepared(path) as trace:
            if by_bytes and trace.sizes.min() == trace.sizes.max():
                continue
            for size in sizes:
                cell = Cell(trace, size, by_bytes)
                for policy in policies:
                    began = time.perf_counter()
                    yield from cell.run(policy)
                    took = time.perf_counter() - began
                    print(f"{trace.name} {size} {policy} {took:.1f} s", file=sys.stderr, flush=True)


Cells = dict[tuple[str, str], dict[str, Row]]


def fixed(cell: dict[str, Row], *, ours: bool) -> list[str]:
    which = names(offline=False, adaptive=False) if ours else [*THEIRS, "GDSF"]
    return [policy for policy in which if policy in cell]


def best(cell: dict[str, Row], value: Callable[[Row], float], *, ours: bool) -> Row:
    return min((cell[policy] for policy in fixed(cell, ours=ours)), key=value)


def means(cells: Cells, value: Callable[[dict[str, Row], Row], float]) -> dict[str, float]:
    """Mean of each policy that ran in all cells, and of both hindsight choices; least first."""
    everywhere = set.intersection(*(set(cell) for cell in cells.values()))
    found = {
        policy: statistics.fmean(value(cell, cell[policy]) for cell in cells.values())
        for policy in everywhere
    }
    for ours, whose in ((True, "ours"), (False, "theirs")):
        found[f"hindsight, {whose}"] = statistics.fmean(
            value(cell, best(cell, functools.partial(value, cell), ours=ours))
            for cell in cells.values()
        )
    return dict(sorted(found.items(), key=lambda each: each[1]))


def tables(rows: list[Row]) -> Iterator[str]:
    for unit, protocol in sorted({(row.unit, row.protocol) for row in rows}):
        cells: Cells = {}
        for row in rows:
            if (row.unit, row.protocol) == (unit, protocol):
                cells.setdefault((row.trace, row.size), {})[row.policy] = row
        yield f"\n{protocol}, by {unit}"
        yield from by_entries(cells) if unit == "entries" else by_size(cells)
        if protocol == "warm":  # the replay is the same in both
            yield from times(cells)


def gap(cell: dict[str, Row], row: Row) -> float:
    fifo, least = cell["fifo"].misses, cell["belady"].misses
    return (row.misses - least) / (fifo - least)


def by_entries(cells: Cells) -> Iterator[str]:
    told = {
        key: cell
        for key, cell in cells.items()
        if cell["fifo"].miss_ratio - cell["belady"].miss_ratio >= LEAST
    }
    if not told:
        yield "no cell where FIFO and Belady differ"
        return
    shown = [policy for policy in SHOWN if policy in next(iter(told.values()))]
    heads = "".join(f"{name:>8}" for name in shown)
    yield f"{'gap to Belady':18}{heads}   best of ours        and of theirs"
    for (trace, size), cell in told.items():
        value = functools.partial(gap, cell)
        line = "".join(f"{value(cell[name]):8.3f}" for name in shown)
        for ours in (True, False):
            row = best(cell, value, ours=ours)
            line += f"{value(row):8.3f} {row.policy:11}"
        yield f"{trace:13}{size:>5}{line}"
    yield f"\nmean gap over {len(told)} cells"
    yield from (f"{policy:22}{mean:.3f}" for policy, mean in means(told, gap).items())
    if "auto" in shown:
        yield from excesses(cells)


def excesses(cells: Cells) -> Iterator[str]:
    """Where `auto` is clearly above the better of S3-FIFO and LRU, of whoever's."""
    excess = {}
    for key, cell in cells.items():
        simple = [cell[name].miss_ratio for name in ("s3fifo", "lru", "S3FIFO", "LRU")]
        excess[key] = cell["auto"].miss_ratio - min(simple)
    above = [key for key, by in excess.items() if by > 0.01]
    yield f"\nauto 0.01 above the better of S3-FIFO and LRU: {len(above)} of {len(cells)} cells"
    for trace, size in sorted(above, key=lambda key: -excess[key]):
        yield f"{trace:13}{size:>5}{excess[trace, size]:+8.4f}"


def by_size(cells: Cells) -> Iterator[str]:
    everywhere = set.intersection(*(set(cell) for cell in cells.values()))
    shown = [policy for policy in SHOWN_BY_SIZE if policy in everywhere]
    yield f"{'byte miss ratio':18}" + "".join(f"{name[:7]:>8}" for name in shown)
    for (trace, size), cell in cells.items():
        ratios = "".join(f"{cell[name].byte_miss_ratio:8.3f}" for name in shown)
        yield f"{trace:13}{size:>5}{ratios}"
    requests = means(cells, lambda _, row: row.miss_ratio)
    yield f"\nmean over {len(cells)} cells: byte miss ratio, miss ratio"
    for policy, mean in means(cells, lambda _, row: row.byte_miss_ratio).items():
        yield f"{policy:22}{mean:.4f}  {requests[policy]:.4f}"


def times(cells: Cells) -> Iterator[str]:
    taken: dict[str, list[float]] = {}
    for cell in cells.values():
        for policy, row in cell.items():
            if row.times_lru is not None:
                taken.setdefault(policy, []).append(row.times_lru)
    yield "\ntime in LRU's: median, most"
    for policy, ratios in sorted(taken.items(), key=lambda each: statistics.median(each[1])):
        yield f"{policy:22}{statistics.median(ratios):.2f}  {max(ratios):.2f}"


def chosen(wanted: str, *, by_bytes: bool) -> list[str]:
    """Return policies in an order that has both LRUs, which times are told in, first."""
    ours = sorted(names(), key=lambda name: name != "lru")
    every = ["LRU", *ours, *(name for name in THEIRS if name != "LRU")]
    every += BY_SIZE if by_bytes else []
    only = {*wanted.split(","), *ALWAYS} if wanted else set(every)
    if unknown := only - set(every):
        raise SystemExit(f"unknown policy {', '.join(sorted(unknown))}; known: {', '.join(every)}")
    return [name for name in every if name in only]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", type=Path, help="folder of traces, or a file of rows")
    parser.add_argument("--bytes", action="store_true", help="entries weigh their sizes")
    parser.add_argument("--names", default="", help="only these traces, separated by commas")
    parser.add_argument("--policies", default="", help="only these, separated by commas")
    parser.add_argument("--size", default=SIZES, help="entries or percent, by commas")
    parser.add_argument("--json", type=Path, help="file to append each row to, a line each")
    options = parser.parse_args()
    only = set(filter(None, options.names.split(",")))
    if options.traces.is_file():
        with options.traces.open() as file:
            rows = [Row(**json.loads(line)) for line in file]
        rows = [row for row in rows if not only or row.trace in only]
    else:
        paths = [
            path
            for path in sorted(options.traces.glob("*.oracleGeneral*"))
            if not only or path.name.split(".")[0] in only
        ]
        policies = chosen(options.policies, by_bytes=options.bytes)
        rows = []
        with options.json.open("a") if options.json else contextlib.nullcontext() as file:
            for row in measure(paths, options.size.split(","), policies, by_bytes=options.bytes):
                rows.append(row)
                if file is not None:
                    print(json.dumps(asdict(row)), file=file, flush=True)
    if not rows:
        parser.error(f"no trace in {options.traces}")
    print("\n".join(tables(rows)))


if __name__ == "__main__":
    main()
