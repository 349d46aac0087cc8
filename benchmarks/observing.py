"""What observing costs: hits of a hot cache with and without, and a scrape of a large one.

`python benchmarks/observing.py [ROUNDS]`. Rounds with and without an observer take turns in one
process, on one cache; the figures are medians, and the cost is the median of the ratios of
neighbours. Times are CPU time, so that other processes do not count: of the thread that reads, and
of the whole process, which adds what is done in the background.
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


def read_for(cache: augury.Cache[int, int], keys: list[int]) -> tuple[float, float]:
    """Return CPU nanoseconds a read: of this thread, and of the process."""
    get, reads = cache.get, 0
    end = time.perf_counter() + SECONDS
    thread, process = time.thread_time_ns(), time.process_time_ns()
    while time.perf_counter() < end:
        for key in keys:
            get(key)
        reads += len(keys)
    thread = time.thread_time_ns() - thread
    return thread / reads, (time.process_time_ns() - process) / reads


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
    pairs = [
        [b / a for a, b in zip(*pair, strict=True)] for pair in zip(without, observed, strict=True)
    ]
    thread, process = (statistics.median(ratios) - 1 for ratios in zip(*pairs, strict=True))
    plain = statistics.median(each[0] for each in without)
    print(f"{entries:>9,} entries: {plain:5.1f} ns a hit; thread {thread:+.1%}, all {process:+.1%}")


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
