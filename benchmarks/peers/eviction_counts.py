"""Compare miss counts with libcachesim's on every trace, at 1, 5, 10 and 20% of its keys.

python benchmarks/peers/eviction_counts.py TRACES [--policy lru,sieve] [--trace oltp,p3] [--cells]

TRACES is a directory of ``*.oracleGeneral.zst`` files. Sizes are ignored: every entry weighs 1.
Both run with libcachesim's standard parameters. Prints for each policy how many cells are equal,
the largest differences in points of miss ratio, and the median of how many times faster Augury
replays a cell.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libcachesim
import numpy as np
import zstandard

from augury._native import Simulation, describe_policies, hash_integers
from augury.bench.simulation import PARAMETERS, PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RECORD = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])
SHARES = (0.01, 0.05, 0.10, 0.20)


@dataclass(frozen=True)
class Trace:
    """Requests whose keys are numbered in order of appearance."""

    name: str
    records: NDArray[Any]
    ids: NDArray[np.uint32]
    keys: NDArray[np.uint64]
    next: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path) -> Trace:
        with path.open("rb") as file:
            raw = zstandard.ZstdDecompressor().stream_reader(file).read()
        records = np.frombuffer(raw, dtype=RECORD)
        keys, first, inverse = np.unique(records["key"], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(keys), np.uint32)
        rank[order] = np.arange(len(keys), dtype=np.uint32)
        following = records["next"].copy()
        following[following < 0] = np.iinfo(np.int64).max
        return cls(path.name.split(".")[0], records, rank[inverse], keys[order], following)


@dataclass(frozen=True)
class Cell:
    """Both results of one policy on one trace at one size."""

    trace: str
    share: float
    requests: int
    ours: int
    theirs: int
    speedup: float

    @property
    def points(self) -> float:
        """By how much our miss ratio is higher, in points."""
        return 100 * (self.ours - self.theirs) / self.requests


def replay_theirs(policy: str, capacity: int, trace: Trace, path: str) -> tuple[int, float]:
    parameters = libcachesim.ReaderInitParam(ignore_obj_size=True)
    kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE
    reader = libcachesim.TraceReader(path, kind, parameters)
    cache = getattr(libcachesim, PEERS[policy])(capacity)
    start = time.perf_counter()
    ratio, _ = cache.process_trace(reader)
    return round(ratio * len(trace.ids)), time.perf_counter() - start


def replay_ours(policy: str, capacity: int, trace: Trace, *, offline: bool) -> tuple[int, float]:
    simulation = Simulation(policy, capacity, parameters=PARAMETERS.get(policy, {}))
    hashes = hash_integers(trace.keys)
    start = time.perf_counter()
    simulation.feed(trace.ids, hashes, None, trace.next if offline else None)
    return simulation.misses, time.perf_counter() - start


def compare(trace: Trace, policies: dict[str, bool]) -> Iterator[tuple[str, Cell]]:
    """Yield each policy's cells; ``policies`` says which need the future."""
    with tempfile.NamedTemporaryFile(suffix=".oracleGeneral") as file:
        file.write(trace.records.tobytes())
        file.flush()
        for policy, offline in policies.items():
            for share in SHARES:
                capacity = max(1, int(len(trace.keys) * share))
                theirs, their_time = replay_theirs(policy, capacity, trace, file.name)
                ours, our_time = replay_ours(policy, capacity, trace, offline=offline)
                speedup = their_time / our_time
                yield policy, Cell(trace.name, share, len(trace.ids), ours, theirs, speedup)


def report(policy: str, cells: list[Cell]) -> str:
    equal = sum(cell.ours == cell.theirs for cell in cells)
    within = sum(abs(cell.points) <= 0.5 for cell in cells)
    worst = max(cells, key=lambda cell: cell.points)
    best = min(cells, key=lambda cell: cell.points)
    mean = statistics.fmean(cell.points for cell in cells)
    speedup = statistics.median(cell.speedup for cell in cells)
    return (
        f"{policy:10} {equal:3}/{len(cells)} equal {within:3} within 0.5 points; mean {mean:+.3f}, "
        f"from {best.points:+.2f} ({best.trace} {best.share:.0%}) "
        f"to {worst.points:+.2f} ({worst.trace} {worst.share:.0%}); {speedup:.0f}x as fast"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare miss counts with libcachesim's.")
    parser.add_argument("traces", type=Path, help="directory of *.oracleGeneral.zst files")
    parser.add_argument("--policy", default="", help="only these, separated by commas")
    parser.add_argument("--trace", default="", help="only these, separated by commas")
    parser.add_argument("--cells", action="store_true", help="print every cell that differs")
    options = parser.parse_args()

    wanted = set(filter(None, options.policy.split(",")))
    policies = {
        name: offline
        for name, _, _, offline, *_ in describe_policies()
        if name in PEERS and (not wanted or name in wanted)
    }
    only = set(filter(None, options.trace.split(",")))
    cells: dict[str, list[Cell]] = {policy: [] for policy in policies}
    for path in sorted(options.traces.glob("*.oracleGeneral.zst")):
        if only and path.name.split(".")[0] not in only:
            continue
        for policy, cell in compare(Trace.read(path), policies):
            cells[policy].append(cell)
            if options.cells and cell.ours != cell.theirs:
                print(
                    f"{policy:10} {cell.trace:12} {cell.share:4.0%} {cell.ours:8} {cell.theirs:8} "
                    f"{cell.points:+.3f}"
                )
    for policy in policies:
        print(report(policy, cells[policy]))


if __name__ == "__main__":
    main()
