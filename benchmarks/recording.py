"""What recording costs a request: loops of gets, in turns, in caches that record and do not.

Times are CPU time, so that other processes do not count. "More" is what a request takes longer in
the thread that asks; "all" adds what is done in the background, up to the finished file. Of ten
times as many keys as fit the first are the most popular, so that hits and misses are timed. The
last columns say which share of the requests was sampled, and which of these were dropped: a loop
that does nothing else may ask faster than a thread beside it can write. Sample 0% is the noise.

    python benchmarks/recording.py [--rounds 31] [--requests 400000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import augury
from augury.accesslog import Recorder

KEYS = 100_000


def loop(
    cache: augury.Cache[Any, Any], keys: Sequence[object], after: Callable[[], object]
) -> NDArray[np.float64]:
    """Ask for each of the keys; return CPU ns a request: of this thread, and of the process."""
    get = cache.get
    thread, process = time.thread_time_ns(), time.process_time_ns()
    for key in keys:
        get(key)
    thread = time.thread_time_ns() - thread
    after()
    return np.array([thread, time.process_time_ns() - process]) / len(keys)


def load(kind: str, requests: int) -> Sequence[object]:
    random = np.random.default_rng(1)
    ranks = (KEYS * random.random(requests) ** 3).astype(int).tolist()
    numbers = random.permutation(KEYS).tolist()
    names = [f"user:{number}" for number in numbers]
    return [(names if kind == "str" else numbers)[rank] for rank in ranks]


def filled(keys: Sequence[object], **options: Any) -> augury.Cache[Any, Any]:
    cache: augury.Cache[Any, Any] = augury.Cache(KEYS // 10, policy="lru", **options)
    for key in keys:
        if cache.get(key) is None:
            cache[key] = key
    return cache


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--requests", type=int, default=400_000)
    options = parser.parse_args()
    print(
        f"{'keys':4} {'sample':>7} {'plain ns':>9} {'more ns':>8} {'quartiles':>15} "
        f"{'all ns':>8} {'sampled':>8} {'dropped':>8}"
    )
    for kind in ("str", "int"):
        keys = load(kind, options.requests)
        for sample in (0.0, 0.01, 0.1, 1.0):
            report(kind, sample, keys, options.rounds)


def report(kind: str, sample: float, keys: Sequence[object], rounds: int) -> None:
    plain = filled(keys)
    with tempfile.TemporaryDirectory() as folder, Recorder(folder, sample=sample) as recorder:
        recording = filled(keys, record=recorder)
        recorder.flush()
        before = recorder.stats()
        turns = [
            lambda: loop(plain, keys, lambda: None),
            lambda: loop(recording, keys, recorder.flush),
        ]
        base, more = [], []
        for turn in range(rounds):
            first = turn % 2
            times = {n: turns[n]() for n in (first, 1 - first)}
            base.append(times[0][0])
            more.append(times[1] - times[0])
        stats = recorder.stats()
    low, (request, total), high = np.percentile(more, [25, 50, 75], axis=0)
    sampled = stats.sampled - before.sampled
    dropped = (stats.dropped - before.dropped) / max(1, sampled)
    print(
        f"{kind:4} {sample:7.0%} {np.median(base):9.1f} {request:8.1f} "
        f"{low[0]:7.1f}..{high[0]:<6.1f} {total:8.1f} {sampled / rounds / len(keys):8.2%} "
        f"{dropped:8.1%}"
    )


if __name__ == "__main__":
    main()
