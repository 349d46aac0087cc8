"""How near sampled miss-ratio curves are to exact ones, how fast, in how much memory.

python benchmarks/curves.py FOLDER [TRACE ...]

FOLDER has TRACE.oracleGeneral.zst; by default p3 and oltp. Errors are mean absolute differences of
the miss ratio, over 100 sizes spaced evenly up to all keys ("even", as the papers count), and over
50 spaced geometrically from 0.1% of the keys ("log"); of as many seeds, the mean and the worst.
Requests a second are of the curve itself, the trace being in memory; "file" includes reading it.
MB is what the native sample takes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augury import read_trace, simulate_many
from augury.accesslog import InMemoryTrace
from augury.sizing import Curve, curve

SEEDS = range(1, 13)
RATE = 0.01
POLICIES = ("lru", "fifo", "s3fifo", "auto")
HOW: dict[str, dict[str, object]] = {
    "shards 1%": {"method": "shards", "sample": RATE},
    "shards 16,384 keys": {"method": "shards", "most_keys": 16_384},
    "aet 1%": {"method": "aet", "sample": RATE},
    "aet all": {"method": "aet", "sample": 1.0},
}

Grid = NDArray[np.float64]


def error(found: Curve, sizes: Grid, exact: Grid) -> float:
    return float(np.mean([abs(found.at(s) - e) for s, e in zip(sizes, exact, strict=True)]))


def covered(found: Curve, sizes: Grid, exact: Grid) -> float:
    inside = [abs(found.at(s) - e) <= found.error_at(s) for s, e in zip(sizes, exact, strict=True)]
    return float(np.mean(inside))


def show(
    name: str, grids: tuple[Grid, Grid], exact: tuple[Grid, Grid], runs: list[tuple[Curve, float]]
) -> None:
    curves = [found for found, _ in runs]
    even, log = ([error(c, g, e) for c in curves] for g, e in zip(grids, exact, strict=True))
    inside = np.mean([covered(c, grids[0], exact[0]) for c in curves])
    speeds = [c.requests / seconds / 1e6 for c, seconds in runs]
    memory = max(c.memory for c in curves) / 1e6
    held = f"{memory:.2f}" if memory else ""  # of stack methods only
    print(
        f"| {name} | {np.mean(even):.4f} | {max(even):.4f} | {np.mean(log):.4f} | {max(log):.4f} "
        f"| {inside:.0%} | {np.median(speeds):.0f} | {min(speeds):.0f} | {held} |",
        flush=True,
    )


def timed(trace: InMemoryTrace, **how: object) -> tuple[Curve, float]:
    started = time.perf_counter()
    found = curve(trace, **how)  # type: ignore[arg-type]
    return found, time.perf_counter() - started


# Not ru_maxrss, which a process inherits from the one that started it.
_GROWTH = """
import sys
from pathlib import Path
from augury import read_trace
from augury.sizing import curve

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

path, how = sys.argv[1], eval(sys.argv[2])
if how is not None:
    curve([*range(100)] * 10, how["policy"], method=how["method"], sample=1.0)
for chunk in read_trace(path).chunks():
    pass
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = status("VmRSS")
if how is None:
    for chunk in read_trace(path).chunks():
        pass
else:
    curve(read_trace(path), **how)
print((status("VmHWM") - before) / 1024)
"""


def growth(path: Path, how: dict[str, object] | None) -> str:
    """Return by how many MiB a process that has read the trace grows when it measures a curve.

    Without a curve it reads the trace once more: what that takes is in the others, too.
    """
    command = [sys.executable, "-c", _GROWTH, str(path), repr(how)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{float(done.stdout):.1f} MiB"


def main(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / f"{name}.oracleGeneral.zst"
        trace = InMemoryTrace(np.concatenate([c.keys for c in read_trace(path).chunks()]))
        exact, seconds = timed(trace, method="exact")
        grids = (
            np.linspace(0, exact.distinct, 101)[1:],
            np.geomspace(exact.distinct * 0.001, exact.distinct, 50),
        )
        print(f"\n{name}: {exact.requests:,} requests, {exact.distinct:,} keys")
        print(
            f"exact: {exact.requests / seconds / 1e6:.1f}M requests/s, {exact.memory / 1e6:.1f} MB"
        )
        started = time.perf_counter()
        curve(read_trace(path), sample=RATE)
        print(f"file: {exact.requests / (time.perf_counter() - started) / 1e6:.1f}M requests/s")
        print(f"the process grows: reading alone: {growth(path, None)}")
        for policy in POLICIES:
            for method in ("shards", "aet", "simulation") if policy == "lru" else ("simulation",):
                grown = growth(path, {"policy": policy, "method": method, "sample": RATE})
                print(f"the process grows: {method} 1%, {policy}: {grown}")
        print("| method | even | worst | log | worst | in the error bar | M/s | slowest | MB |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        true = tuple(np.array([exact.at(size) for size in grid]) for grid in grids)
        for called, how in HOW.items():
            seeds = SEEDS if how.get("sample") != 1.0 else range(1, 2)
            runs = [timed(trace, seed=seed, **how) for seed in seeds]
            show(called, grids, (true[0], true[1]), runs)
        for policy in POLICIES:
            few = tuple(np.unique(grid.round().astype(int))[4::5] for grid in grids)
            whole = [
                np.array([r.miss_ratio for r in simulate_many(trace, [policy], sizes.tolist())])
                for sizes in few
            ]
            runs = [
                timed(trace, policy=policy, method="simulation", sample=RATE, seed=seed)
                for seed in SEEDS
            ]
            grid = (few[0].astype(float), few[1].astype(float))
            show(f"simulation 1%, {policy}", grid, (whole[0], whole[1]), runs)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:] or ["p3", "oltp"])
