"""What the corrections of sampled curves are worth, on traces that they were not chosen by.

python benchmarks/curve_corrections.py FOLDER

The regression estimator was chosen by p3 and oltp with seeds 1 to 24. Here are other seeds, and
other traces. Figures are mean absolute errors of LRU's miss ratio over 100 sizes spaced evenly, the
mean of 12 seeds and the worst: "ours", SHARDS plain, SHARDS with the adjusted first bucket, AET;
then AET of all keys, with ages and without. Small traces are sampled at 10%, for more keys.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augury import _native, read_trace
from augury.accesslog import InMemoryTrace
from augury.sizing import Curve, curve, stack

TRACES = {"p3": 0.01, "oltp": 0.01, "orm-busy": 0.01} | dict.fromkeys(
    ("corda", "kosarak", "w92", "web07", "tencent2706", "mooncake_syn"), 0.1
)
SEEDS = range(1001, 1013)

Floats = NDArray[np.float64]


def shards_as_published(keys: NDArray[np.uint64], rate: float, seed: int, sizes: Floats) -> Floats:
    """Return miss ratios of SHARDS, plain and with the adjusted first bucket."""
    counted = _native.StackDistances(rate, 0, seed, weighed=False)
    counted.feed(keys)
    hits = counted.repeats().reshape(_native.GROUPS, -1).sum(axis=0).cumsum()
    asked = counted.sampled().sum()
    at = np.concatenate(([0.0], _native.Reuse.bounds().astype(np.float64)))
    plain, adjusted = 1 - hits / asked, np.clip((asked - hits) / len(keys), 0, 1)
    return np.array([np.interp(sizes, at, [1.0, *each]) for each in (plain, adjusted)])


def errors(found: Curve, sizes: Floats, exact: Floats) -> Floats:
    return np.array([abs(found.at(s) - e) for s, e in zip(sizes, exact, strict=True)])


def _as_published(longer: Floats, ages: Floats) -> Floats:  # noqa: ARG001
    return np.concatenate((np.ones(1), longer))


def without_ages(trace: InMemoryTrace) -> Curve:
    with_ages = stack._survival
    stack._survival = _as_published
    try:
        return curve(trace, method="aet", sample=1.0)
    finally:
        stack._survival = with_ages


def main(folder: Path) -> None:
    heads = ("trace", "rate", "ours", "plain", "adjusted", "AET", "in the error bar")
    print(f"| {' | '.join(heads)} | AET, all keys | without ages |\n|---|{'---:|' * 8}")
    for name, rate in TRACES.items():
        path = folder / f"{name}.oracleGeneral.zst"
        keys = np.concatenate([chunk.keys for chunk in read_trace(path).chunks()])
        trace = InMemoryTrace(keys)
        full = curve(trace, method="exact")
        sizes = np.linspace(0, full.distinct, 101)[1:]
        exact = np.array([full.at(size) for size in sizes])
        rows: list[list[float]] = []
        for seed in SEEDS:
            ours = curve(trace, method="shards", sample=rate, seed=seed)
            aet = curve(trace, method="aet", sample=rate, seed=seed)
            off = errors(ours, sizes, exact)
            published = shards_as_published(keys, rate, seed, sizes)
            inside = np.mean(off <= [ours.error_at(size) for size in sizes])
            others = np.abs(published - exact).mean(axis=1)
            rows.append([off.mean(), *others, errors(aet, sizes, exact).mean(), float(inside)])
        found = np.array(rows)
        cells = [f"{each.mean():.4f}, {each.max():.4f}" for each in found.T[:4]]
        ages = errors(curve(trace, method="aet", sample=1.0), sizes, exact).mean()
        bare = errors(without_ages(trace), sizes, exact).mean()
        print(
            f"| {name} | {rate:.0%} | {' | '.join(cells)} | {found[:, 4].mean():.0%} "
            f"| {ages:.4f} | {bare:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
