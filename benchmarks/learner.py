"""What training in the background costs a cache that serves many requests, and what it gains.

    python benchmarks/learner.py            # 100,000 requests a second for 60 seconds
    python benchmarks/learner.py --rate 50000 --seconds 30 --capacity 20000

Requests are drawn from a Zipf law whose keys change places halfway, so that the model in use goes
out of date. Prints the processor time of the learner's thread as a share of one core, how late
requests were, and what happened.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import augury
from augury.learning.background import background

_BATCH = 1_000  # requests between two looks at the clock


def drawn(requests: int, keys: int, seed: int) -> NDArray[np.int64]:
    """Popular keys by a Zipf law of exponent 0.9, and scans of neighbours in between."""
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, keys + 1) ** 0.9
    popular = random.permutation(keys)[
        np.searchsorted(np.cumsum(weights) / weights.sum(), random.random(requests))
    ]
    scanned = (1 << 30) + np.arange(requests)
    in_scan = (np.arange(requests) // 500) % 3 == 2
    return np.where(in_scan, scanned, popular)


def thread_seconds() -> float:
    """Return the processor time that the learner's thread has taken so far."""
    thread = background._thread
    if thread is None or thread.native_id is None:
        return 0.0
    fields = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text("ascii").split()
    return int(fields[0]) / 1e9


def measure(rate: int, seconds: float, capacity: int, *, learn: bool) -> dict[str, object]:
    cache: augury.Cache[int, int] = augury.Cache(capacity, policy="learned", learn=learn)
    requests = int(rate * seconds)
    half = requests // 2
    parts = [drawn(half, 10 * capacity, seed) for seed in (1, 2)]
    keys = np.concatenate(parts).tolist()
    slowest: list[float] = []
    began = time.perf_counter()
    for start in range(0, requests, _BATCH):
        wait = began + start / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        before = time.perf_counter()
        for key in keys[start : start + _BATCH]:
            if cache.get(key) is None:
                cache[key] = key
        slowest.append(time.perf_counter() - before)
    took = time.perf_counter() - began
    learner = cache.learner
    return {
        "learn": learn,
        "requests_per_second": round(requests / took),
        "learner_share_of_a_core": thread_seconds() / took if learn else 0.0,
        "request_ns_median": round(float(np.median(slowest)) / _BATCH * 1e9),
        "request_ns_p99": round(float(np.quantile(slowest, 0.99)) / _BATCH * 1e9),
        "miss_ratio": cache.stats().miss_ratio,
        "events": [] if learner is None else [str(event) for event in learner.events],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=100_000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--capacity", type=int, default=5_000)
    given = parser.parse_args()
    for learn in (False, True):
        result = measure(given.rate, given.seconds, given.capacity, learn=learn)
        print(json.dumps(result, indent=2), flush=True)


if __name__ == "__main__":
    main()
