"""How near sampled miss-ratio curves are to exact ones, how fast, in how much memory.

python benchmarks/curves.py FOLDER [TRACE ...] [--seeds 12] [--json]

FOLDER has TRACE.oracleGeneral.zst; by default p3 and oltp. Errors are mean absolute differences of
the miss ratio, over 100 sizes spaced evenly up to all keys ("even", as the papers count), and over
50 spaced geometrically from 0.1% of the keys ("log"); of as many seeds, the mean and the worst.
Requests a second are of the curve itself, the trace being in memory; "file" includes reading it.
MB is what the native sample takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury import read_trace, simulate_many
from augury.accesslog import InMemoryTrace
from augury.sizing import Curve, curve

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


def row(
    name: str, grids: tuple[Grid, Grid], exact: tuple[Grid, Grid], runs: list[tuple[Curve, float]]
) -> dict[str, Any]:
    curves = [found for found, _ in runs]
    even, log = ([error(c, g, e) for c in curves] for g, e in zip(grids, exact, strict=True))
    speeds = [c.requests / seconds / 1e6 for c, seconds in runs]
    memory = max(c.memory for c in curves) / 1e6
    return {
        "method": name,
        "even": float(np.mean(even)),
        "even_worst": max(even),
        "log": float(np.mean(log)),
        "log_worst": max(log),
        "in_error_bar": float(np.mean([covered(c, grids[0], exact[0]) for c in curves])),
        "speed": float(np.median(speeds)),
        "slowest": min(speeds),
        "megabytes": memory or None,  # of stack methods only
    }


def show(found: dict[str, Any]) -> None:
    print(f"\n{found['trace']}: {found['requests']:,} requests, {found['keys']:,} keys")
    print(f"exact: {found['exact_speed']:.1f}M requests/s, {found['exact_megabytes']:.1f} MB")
    print(f"file: {found['file_speed']:.1f}M requests/s")
    for what, mebibytes in found["growth"].items():
        print(f"the process grows: {what}: {mebibytes:.1f} MiB")
    print("| method | even | worst | log | worst | in the error bar | M/s | slowest | MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for each in found["rows"]:
        held = "" if each["megabytes"] is None else f"{each['megabytes']:.2f}"
        print(
            f"| {each['method']} | {each['even']:.4f} | {each['even_worst']:.4f} "
            f"| {each['log']:.4f} | {each['log_worst']:.4f} | {each['in_error_bar']:.0%} "
            f"| {each['speed']:.0f} | {each['slowest']:.0f} | {held} |",
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


def growth(path: Path, how: Mapping[str, object] | None) -> float:
    """Return by how many MiB a process that has read the trace grows when it measures a curve.

    Without a curve it reads the trace once more: what that takes is in the others, too.
    """
    command = [sys.executable, "-c", _GROWTH, str(path), repr(how)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(path: Path, seeds: range) -> dict[str, Any]:
    trace = InMemoryTrace(np.concatenate([c.keys for c in read_trace(path).chunks()]))
    exact, seconds = timed(trace, method="exact")
    grids = (
        np.linspace(0, exact.distinct, 101)[1:],
        np.geomspace(exact.distinct * 0.001, exact.distinct, 50),
    )
    started = time.perf_counter()
    curve(read_trace(path), sample=RATE)
    from_file = time.perf_counter() - started
    grown = {"reading alone": growth(path, None)}
    for policy in POLICIES:
        for method in ("shards", "aet", "simulation") if policy == "lru" else ("simulation",):
            how = {"policy": policy, "method": method, "sample": RATE}
            grown[f"{method} 1%, {policy}"] = growth(path, how)
    true = tuple(np.array([exact.at(size) for size in grid]) for grid in grids)
    rows = []
    for called, way in HOW.items():
        several = seeds if way.get("sample") != 1.0 else range(1, 2)
        runs = [timed(trace, seed=seed, **way) for seed in several]
        rows.append(row(called, grids, (true[0], true[1]), runs))
    for policy in POLICIES:
        few = tuple(np.unique(grid.round().astype(int))[4::5] for grid in grids)
        whole = [
            np.array([r.miss_ratio for r in simulate_many(trace, [policy], sizes.tolist())])
            for sizes in few
        ]
        runs = [
            timed(trace, policy=policy, method="simulation", sample=RATE, seed=seed)
            for seed in seeds
        ]
        grid = (few[0].astype(float), few[1].astype(float))
        rows.append(row(f"simulation 1%, {policy}", grid, (whole[0], whole[1]), runs))
    return {
        "trace": path.name.partition(".")[0],
        "requests": exact.requests,
        "keys": exact.distinct,
        "exact_speed": exact.requests / seconds / 1e6,
        "exact_megabytes": exact.memory / 1e6,
        "file_speed": exact.requests / from_file / 1e6,
        "growth": grown,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("traces", nargs="*", default=["p3", "oltp"])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    every = []
    for name in options.traces:
        path = options.folder / f"{name}.oracleGeneral.zst"
        every.append(measure(path, range(1, options.seeds + 1)))
        if not options.json:
            show(every[-1])
    if options.json:
        print(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
