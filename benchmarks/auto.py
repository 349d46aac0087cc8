"""Compare `auto` with S3-FIFO, LRU and the best fixed policy on every trace of a directory.

python benchmarks/auto.py TRACES [--trace oltp,p3] [--size 1%,5%,10%,20%] [--seed 1] [--json]

Prints each cell's gap to Belady, (misses - Belady's) / (FIFO's misses - Belady's), from a cold
start over the whole trace, all weights 1; by how much miss ratio `auto` is above the better of
S3-FIFO and LRU; and how much longer than LRU it takes, the shortest of five runs. Cells where FIFO
and Belady differ by less than two points tell nothing and are left out. "best fixed" is the best of
the catalogue's policies at their standard parameters, chosen for each cell with hindsight.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import augury
from augury.accesslog.spool import Spool
from augury.policies import names
from augury.simulation import simulate_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from augury import SimulationResult

LEAST = 0.02  # of miss ratio, between FIFO and Belady
REPEATS = 5
MEANS = ("auto", "s3fifo", "lru", "best_fixed")


@dataclass(frozen=True)
class Cell:
    """One trace at one size: gaps to Belady, and what else is printed."""

    trace: str
    size: str
    capacity: int
    auto: float
    s3fifo: float
    lru: float
    best_fixed: float
    best_name: str
    excess: float
    """Of auto's miss ratio over the better of S3-FIFO's and LRU's."""
    times_lru: float
    """Time of a request, in LRU's."""


def cell(
    trace: str, size: str, results: dict[str, SimulationResult], times_lru: float
) -> Cell | None:
    """Return nothing where FIFO is about as good as can be."""
    fifo, belady = results["fifo"].miss_ratio, results["belady"].miss_ratio
    if fifo - belady < LEAST:
        return None

    def gap(policy: str) -> float:
        return (results[policy].miss_ratio - belady) / (fifo - belady)

    fixed = names(offline=False, adaptive=False)
    best = min(fixed, key=gap)
    simple = min(results["s3fifo"].miss_ratio, results["lru"].miss_ratio)
    return Cell(
        trace,
        size,
        results["auto"].capacity,
        gap("auto"),
        gap("s3fifo"),
        gap("lru"),
        gap(best),
        best,
        results["auto"].miss_ratio - simple,
        times_lru,
    )


def cells(path: Path, sizes: list[str], seed: int) -> Iterator[Cell]:
    policies = names()
    with Spool(augury.read_trace(path)) as spool:
        runs = simulate_many(spool, policies, sizes, seed=seed, jobs=1)
        timed = [
            simulate_many(spool, ["auto", "lru"], sizes, seed=seed, jobs=1) for _ in range(REPEATS)
        ]
    for index, size in enumerate(sizes):
        at_size = dict(zip(policies, runs[index :: len(sizes)], strict=True))
        auto = min(each[index].seconds for each in timed)
        lru = min(each[len(sizes) + index].seconds for each in timed)
        found = cell(path.name.split(".")[0], size, at_size, auto / lru)
        if found is not None:
            yield found


def table(found: list[Cell]) -> Iterator[str]:
    columns = "  auto s3fifo    lru  best fixed          excess  time"
    yield f"{'trace':14} {'size':>4} {'entries':>7} {columns}"
    for c in found:
        yield (
            f"{c.trace:14} {c.size:>4} {c.capacity:7} {c.auto:6.3f} {c.s3fifo:6.3f} {c.lru:6.3f} "
            f"{c.best_fixed:6.3f} {c.best_name:12} {c.excess:+.4f} {c.times_lru:5.2f}"
        )
    means = {kind: statistics.fmean(getattr(c, kind) for c in found) for kind in MEANS}
    yield f"mean gap of {len(found)} cells: " + ", ".join(f"{k} {v:.4f}" for k, v in means.items())
    worst = max(found, key=lambda c: c.excess)
    yield f"most above s3fifo and lru: {worst.excess:+.4f} ({worst.trace} {worst.size})"
    times = sorted(c.times_lru for c in found)
    yield f"time in LRU's: median {statistics.median(times):.2f}, at most {times[-1]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare auto with S3-FIFO, LRU and the best.")
    parser.add_argument("traces", type=Path, help="directory of *.oracleGeneral.zst files")
    parser.add_argument("--trace", default="", help="only these, separated by commas")
    parser.add_argument("--size", default="1%,5%,10%,20%", help="entries or percent, by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the sample that auto draws")
    parser.add_argument("--json", action="store_true", help="print the cells as JSON")
    options = parser.parse_args()
    only = set(filter(None, options.trace.split(",")))
    paths = sorted(options.traces.glob("*.oracleGeneral.zst"))
    found = [
        each
        for path in paths
        if not only or path.name.split(".")[0] in only
        for each in cells(path, options.size.split(","), options.seed)
    ]
    if not found:
        parser.error(f"no trace in {options.traces} where policies differ")
    if options.json:
        print(json.dumps([asdict(c) for c in found], indent=1))
    else:
        print("\n".join(table(found)))


if __name__ == "__main__":
    main()
