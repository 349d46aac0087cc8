"""What observing costs: hits of a hot cache with and without, and a scrape of a large one.

`python benchmarks/observing.py [ROUNDS]`. Rounds with and without an observer take turns in one
process; the figures are medians, and the cost is the median of the ratios of neighbours.
"""

from __future__ import annotations

import statistics
import sys
import time

import augury
from augury.metrics.prometheus import exposition
from augury.observe import Observer

SIZES = (1_000, 100_000, 1_000_000)
SECONDS = 1.5  # of a round: the sampling thread has to take its turn in it
SCRAPES = 50


def read_for(cache: augury.Cache[int, int], keys: list[int]) -> float:
    """Return nanoseconds a read, as long as a round takes."""
    get, reads = cache.get, 0
    began = time.perf_counter()
    while (taken := time.perf_counter() - began) < SECONDS:
        for key in keys:
            get(key)
        reads += len(keys)
    return taken / reads * 1e9


def cost(entries: int, rounds: int) -> None:
    cache: augury.Cache[int, int] = augury.Cache(entries)
    for key in range(entries):
        cache[key] = key
    keys = [key * 7_919 % entries for key in range(100_000)]
    read_for(cache, keys)
    without, observed = [], []
    for _ in range(rounds):
        without.append(read_for(cache, keys))
        with Observer() as observer:
            observer.add("hot", cache)
            observed.append(read_for(cache, keys))
    ratio = statistics.median(b / a for a, b in zip(without, observed, strict=True))
    print(
        f"{entries:>9,} entries: {statistics.median(without):5.1f} ns a hit, observed "
        f"{statistics.median(observed):5.1f} ns: {ratio - 1:+.1%}"
    )


def scrape() -> None:
    entries = 1_000_000
    cache: augury.Cache[int, int] = augury.Cache(entries)
    for key in range(entries):
        cache[key] = key
    with Observer() as observer:
        observer.add("large", cache)
        for key in range(0, 2 * entries, 3):
            cache.get(key)
        observer.sample()
        times = []
        for _ in range(SCRAPES):
            began = time.perf_counter()
            text, _ = exposition(observer.snapshot())
            times.append((time.perf_counter() - began) * 1e3)
    print(
        f"scrape of {len(text):,} bytes, {len(cache):,} entries: median "
        f"{statistics.median(times):.2f} ms, slowest of {SCRAPES} {max(times):.2f} ms"
    )


if __name__ == "__main__":
    for size in SIZES:
        cost(size, int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    scrape()
