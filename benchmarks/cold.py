"""What a cold cache gains by training itself: live caches with and without a learner, on traces.

    python benchmarks/cold.py TRACES [--names w92,cdn] [--size 5]

Each trace is requested from two live caches of a share of its distinct keys, from the first request
to the last: one with `policy="learned"` and a learner that takes its steps between requests, as
fast as it can, and one without a model. Prints their miss ratios over the whole trace, `auto`'s
beside them, and what the learner did. Needs lightgbm and river.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from augury import Cache, read_trace
from augury.accesslog import Spool
from augury.learning import Learner

STEP = 1_000  # requests


def serve(cache: Cache[int, int], keys: list[int], learner: Learner | None) -> float:
    missed = 0
    for at, key in enumerate(keys):
        if cache.get(key) is None:
            cache[key] = 1
            missed += 1
        if learner is not None and at % STEP == 0:
            learner.step()
    return missed / len(keys)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("traces", type=Path)
    parser.add_argument("--names", default="", help="only traces that begin so, by commas")
    parser.add_argument("--size", type=float, default=5, help="percent of the distinct keys")
    options = parser.parse_args()
    print(f"{'trace':<16}{'auto':>8}{'without':>9}{'with':>8}  steps")
    for path in sorted(options.traces.glob("*.oracleGeneral.zst")):
        name = path.name.partition(".")[0]
        if not name.startswith(tuple(options.names.split(","))):
            continue
        with Spool(read_trace(path)) as spool:
            capacity = max(1, int(spool.distinct * options.size / 100))
            numbers = np.asarray(spool.keys)
            keys = np.concatenate([numbers[chunk.ids] for chunk in spool.chunks()]).tolist()
        auto: Cache[int, int] = Cache(capacity, policy="auto")
        without: Cache[int, int] = Cache(capacity, policy="learned", learn=False)
        cache: Cache[int, int] = Cache(capacity, policy="learned", learn=False)
        ratios = [serve(each, keys, None) for each in (auto, without)]
        learner = Learner(cache, share=1.0)
        ratios.append(serve(cache, keys, learner))
        steps = Counter(event.step.value for event in learner.events)
        learner.close()
        told = ", ".join(f"{count} {step}" for step, count in steps.items())
        print(f"{name:<16}{ratios[0]:>8.4f}{ratios[1]:>9.4f}{ratios[2]:>8.4f}  {told}", flush=True)


if __name__ == "__main__":
    main()
