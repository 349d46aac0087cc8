"""The learned policy, warm, beside every fixed policy: gaps to Belady, cell by cell.

    python benchmarks/learned.py TRACES [--names w92,web07]

For each trace a model is trained on its first half, and only the second half is counted, which all
policies enter with a cache that the first half has filled. A cell is a trace at 1, 5, 10 or 20% of
its distinct keys, where FIFO misses at least 2% of the requests more than Belady's MIN. The gap is
(misses - MIN's) / (FIFO's - MIN's). Needs lightgbm.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury import _native, policies, read_trace, simulate_many
from augury.accesslog import Spool
from augury.features import FEATURES, rows

PERCENT = (1, 5, 10, 20)
WARM = 0.5
ROWS = 200_000  # to train from, at most
ROUNDS = 60
STAY = [feature.name for feature in FEATURES].index("stay")


def examples(spool: Spool, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows, and what an entry is worth: 1 if it is asked for at once, 1/2 after `stay`, then less.

    A model of `stay` itself would know the sizes that it was trained for, and no others.
    """
    parts = []
    for seed in range(3):
        taken = rows(spool, stop=stop, sample=min(1.0, ROWS / 3 / stop), seed=seed + 1)
        stay = np.exp2(taken.X[:, STAY])
        wait = np.exp2(taken.label) / stay
        # Where less than twice `stay` remains, only who comes soon would be told from the others.
        told = (stay >= 16) & (stop - taken.index.astype(np.float64) >= 2 * stay)
        worth = 1 / (1 + np.where(taken.censored, 3 * wait, wait))
        parts.append((taken.X[told], worth[told].astype(np.float32)))
    x = np.concatenate([part[0] for part in parts])
    x[:, STAY] = 0
    return x, np.concatenate([part[1] for part in parts])


def train(x: NDArray[np.float32], y: NDArray[np.float32]) -> _native.Model:
    import lightgbm

    booster = lightgbm.train(
        {
            "objective": "regression",
            "num_leaves": 31,
            "max_depth": 7,
            "learning_rate": 0.15,
            "min_data_in_leaf": 50,
            "verbosity": -1,
            "num_threads": 2,
            "deterministic": True,
            "force_row_wise": True,
            "seed": 1,
        },
        lightgbm.Dataset(x, y),
        ROUNDS,
    )
    return forest(booster.dump_model())


def forest(dump: dict[str, Any]) -> _native.Model:
    """LightGBM's trees as native ones; the score is the negative worth."""
    columns: dict[str, list[float]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value")
    }

    def walk(node: dict[str, Any]) -> int:
        at = len(columns["feature"])
        for name, value in zip(columns, (-1, 0.0, -1, -1, 0.0), strict=True):
            columns[name].append(value)
        if "split_feature" in node:
            columns["feature"][at] = node["split_feature"]
            columns["threshold"][at] = node["threshold"]
            columns["left"][at] = walk(node["left_child"])
            columns["right"][at] = walk(node["right_child"])
        else:
            columns["value"][at] = -node["leaf_value"]
        return at

    roots = [walk(tree["tree_structure"]) for tree in dump["tree_info"]]
    integers = {name: np.array(columns[name], np.int32) for name in ("feature", "left", "right")}
    floats = {name: np.array(columns[name], np.float32) for name in ("threshold", "value")}
    return _native.Model(
        "forest",
        {
            **integers,
            **floats,
            "features": np.array([len(FEATURES)], np.int32),
            "roots": np.array(roots, np.int32),
            "base": np.zeros(1, np.float32),
        },
    )


def replay(spool: Spool, capacity: int, model: _native.Model) -> tuple[float, float]:
    """Return the miss ratio of the second half, and nanoseconds a request."""
    simulation = _native.Simulation("learned", capacity, model=model)
    uncounted = int(spool.requests * WARM)
    began = time.perf_counter()
    done = 0
    for chunk in spool.chunks():
        split = min(max(uncounted - done, 0), len(chunk.ids))
        for part in (slice(0, split), slice(split, None)):
            sizes = None if chunk.sizes is None else chunk.sizes[part]
            times = None if chunk.times is None else chunk.times[part]
            simulation.feed(chunk.ids[part], spool.hashes, sizes, None, spool.numbers, times)
            if part.stop is not None and done + split == uncounted:
                simulation.reset_counts()
        done += len(chunk.ids)
    seconds = time.perf_counter() - began
    return simulation.misses / simulation.requests, seconds / spool.requests * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("traces", type=Path)
    parser.add_argument("--names", default="", help="only traces that begin so, by commas")
    options = parser.parse_args()
    fixed = policies.names(offline=False, adaptive=False)
    gaps: dict[str, list[float]] = {name: [] for name in (*fixed, "learned", "best of the fixed")}
    print(f"{'trace':<16}{'size':>6}{'learned':>9}{'s3fifo':>9}{'best':>7}  which           ns")
    for path in sorted(options.traces.glob("*.oracleGeneral.zst")):
        name = path.name.partition(".")[0]
        if not name.startswith(tuple(options.names.split(","))):
            continue
        with Spool(read_trace(path)) as spool:
            sizes = [f"{percent}%" for percent in PERCENT]
            results = simulate_many(spool, [*fixed, "belady"], sizes, warm=WARM, jobs=2)
            missed = {(each.policy, each.capacity): each.miss_ratio for each in results}
            model = train(*examples(spool, int(spool.requests * WARM)))
            for percent, capacity in zip(PERCENT, sorted({c for _, c in missed}), strict=False):
                least = missed["belady", capacity]
                most = missed["fifo", capacity]
                if most - least < 0.02:
                    continue
                ratio, ns = replay(spool, capacity, model)
                cell = {each: (missed[each, capacity] - least) / (most - least) for each in fixed}
                best = min(fixed, key=cell.__getitem__)
                cell["best of the fixed"] = cell[best]
                cell["learned"] = (ratio - least) / (most - least)
                for each, gap in cell.items():
                    gaps[each].append(gap)
                print(
                    f"{name:<16}{percent:>5}%{cell['learned']:>9.3f}{cell['s3fifo']:>9.3f}"
                    f"{cell[best]:>7.3f}  {best:<12}{ns:>6.0f}",
                    flush=True,
                )
    print(f"\nmean gap over {len(gaps['learned'])} cells")
    for each in sorted(gaps, key=lambda which: float(np.mean(gaps[which]))):
        print(f"{each:<20}{np.mean(gaps[each]):.3f}")


if __name__ == "__main__":
    main()
