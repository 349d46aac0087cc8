"""What recording costs a request: one loop of gets, in turns, in caches that record and not.

Of ten times as many keys as fit the first are the most popular, so that hits and misses are timed.
The last columns say which share of the requests was sampled, and which of these were dropped: a
loop that does nothing else can ask faster than a thread beside it can write. Sample 0% is the
noise: nothing is ever recorded there.

    python benchmarks/recording.py [--rounds 101] [--requests 100000]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import augury
from augury.accesslog import Recorder

KEYS = 100_000


def loop(cache: augury.Cache[Any, Any], keys: Sequence[object]) -> float:
    """Return the nanoseconds a request that it takes to ask for each of the keys."""
    get = cache.get
    started = time.perf_counter_ns()
    for key in keys:
        get(key)
    return (time.perf_counter_ns() - started) / len(keys)


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
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    print(
        f"{'keys':4} {'sample':>7} {'plain ns':>9} {'more ns':>8} {'quartiles':>15} "
        f"{'sampled':>8} {'dropped':>8}"
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
        more, base = [], []
        order: list[Callable[[], float]] = [
            lambda: loop(plain, keys),
            lambda: loop(recording, keys),
        ]
        for turn in range(rounds):
            first = turn % 2
            times = {n: order[n]() for n in (first, 1 - first)}
            base.append(times[0])
            more.append(times[1] - times[0])
            recorder.flush()
        stats = recorder.stats()
    requests = recording.stats().requests + recording.stats().insertions
    low, middle, high = statistics.quantiles(more, n=4)
    dropped = stats.dropped / stats.sampled if stats.sampled else 0.0
    print(
        f"{kind:4} {sample:7.0%} {statistics.median(base):9.1f} {middle:8.1f} "
        f"{low:7.1f}..{high:<6.1f} {stats.sampled / requests:8.2%} {dropped:8.1%}"
    )


if __name__ == "__main__":
    main()
