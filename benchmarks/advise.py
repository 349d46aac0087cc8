"""Is advice right: predicted against real hit ratios of Valkey and Redis, and of a led LRU store.

    python -m benchmarks.advise [--json]           # about three minutes
    python -m benchmarks.advise --advisor [--json] # an external store that follows an `Advisor`

A server runs allkeys-random under load while `augury advise` watches it once. Then a fresh server
is started for every other policy and size and is sent the same requests, and what it counted in the
second half of those that were watched is compared with what was predicted. Median and largest
difference are printed per server.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import redis

import augury
from augury.advice import Access, Advisor
from augury.advice.redis import advise
from tests.servers.redis import redis_server
from tests.servers.valkey import Valkey, valkey

KEYS = 8000
CHUNK = 500
SECONDS = 6.0
BEFORE = 20_000  # requests, so that the server is full
POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "noeviction")
SHARES = (0.5, 1.0)  # of the watched server's room, as the tool's own table has them
LIMIT = 4 << 20


class Load:
    """Reads by popularity with scans, each miss filled, all keys with a time to live."""

    def __init__(self, server: Valkey) -> None:
        self.client = redis.Redis(port=server.port)
        self.rng = np.random.default_rng(1)
        weights = 1 / np.arange(1, KEYS + 1) ** 0.8
        self.weights = weights / weights.sum()
        self.sizes = np.random.default_rng(2).integers(200, 1200, KEYS).tolist()
        self.chunks = 0

    def play(self) -> None:
        """Send some requests."""
        self.chunks += 1
        ids = self.rng.choice(KEYS, CHUNK, p=self.weights)
        if self.chunks % 12 == 0:
            ids = (int(ids[0]) + np.arange(CHUNK)) % KEYS
        for number in ids.tolist():
            key = f"user:{number}"
            if self.client.get(key) is None:
                try:
                    self.client.set(key, b"x" * self.sizes[number], ex=3600 + number)
                except redis.ResponseError:
                    continue  # out of memory


def play_for(load: Load, requests: int) -> None:
    for _ in range(requests // CHUNK):
        load.play()


def counted(load: Load) -> tuple[int, int]:
    info: Any = load.client.info("stats")
    return info["keyspace_hits"], info["keyspace_misses"]


def real(start: Any, policy: str, maxmemory: int, requests: int) -> float:
    """Return what a server counts in the second half of so many requests."""
    with start(maxmemory=str(maxmemory), maxmemory_policy=policy) as server:
        load = Load(server)
        play_for(load, BEFORE + requests // 2)
        hits, misses = counted(load)
        play_for(load, requests // 2)
        hits, misses = (now - then for now, then in zip(counted(load), (hits, misses), strict=True))
        return hits / (hits + misses)


def servers() -> Iterator[dict[str, Any]]:
    """Yield what was predicted and what was so, of each server."""
    for start in (valkey, redis_server):
        with start(maxmemory=str(LIMIT), maxmemory_policy="allkeys-random") as server:
            load = Load(server)
            play_for(load, BEFORE)
            stop = threading.Event()

            def go_on(load: Load = load, stop: threading.Event = stop) -> None:
                while not stop.is_set():
                    load.play()

            thread = threading.Thread(target=go_on)
            thread.start()
            found = advise(server.url, seconds=SECONDS)
            stop.set()
            thread.join()
        assert found.watched is not None
        room = LIMIT - found.present.fixed_memory
        sizes = [found.present.fixed_memory + int(share * room) for share in SHARES]
        rows = []
        for policy in POLICIES:
            for size in sizes:
                row = min(
                    (each for each in found.forecasts if each.policy == policy),
                    key=lambda each: abs(each.maxmemory - size),
                )
                rows.append(
                    {
                        "policy": policy,
                        "maxmemory": row.maxmemory,
                        "predicted": row.hit_ratio,
                        "real": real(start, policy, row.maxmemory, found.watched.reads),
                    }
                )
        yield {
            "server": found.present.software,
            "seconds": found.watched.seconds,
            "reads": found.watched.reads,
            "keys": found.watched.keys,
            "hit_ratio": found.watched.hit_ratio,
            "rows": rows,
        }


def show_server(found: dict[str, Any]) -> None:
    print(
        "\n{server}: watched {seconds:.1f} s, {reads:,} reads of {keys:,} keys,"
        " real hit ratio {hit_ratio:.3f}".format(**found)
    )
    print(f"{'policy':16} {'maxmemory':>10} {'predicted':>9} {'real':>6} {'off':>7}")
    differences = []
    for row in found["rows"]:
        off = row["predicted"] - row["real"]
        differences.append(abs(off))
        print(
            f"{row['policy']:16} {row['maxmemory'] / 2**20:8.2f}Mi {row['predicted']:9.3f}"
            f" {row['real']:6.3f} {off:+7.3f}"
        )
    print(
        f"off by {statistics.median(differences):.3f} in the median,"
        f" {max(differences):.3f} at most",
        flush=True,
    )


def advisor() -> Iterator[dict[str, Any]]:
    """Let an external store be an LRU of its own, or do as it is told."""
    rng = np.random.default_rng(1)
    keys, requests = 50_000, 300_000
    weights = 1 / np.arange(1, keys + 1) ** 0.9
    popular = rng.choice(keys, requests, p=weights / weights.sum())
    scans = popular.copy()
    for start in range(0, requests, 10_000):
        scans[start : start + 2000] = np.arange(keys + start, keys + start + 2000)
    looping = np.where(rng.random(requests) < 0.5, np.arange(requests) % 6000 + keys, popular)
    for name, ids in (("zipf", popular), ("scans", scans), ("loop", looping)):
        trace = [f"k{number}" for number in ids.tolist()]
        capacity = 5000
        own = lru(trace, capacity)
        for policy in ("s3fifo", "wtinylfu", "auto"):
            told, seconds = led(trace, capacity, policy)
            expected = augury.simulate(trace, policy=policy, capacity=capacity).miss_ratio
            yield {
                "trace": name,
                "lru": own,
                "led_by": policy,
                "store": told,
                "policy": expected,
                "microseconds": seconds / len(trace) * 1e6,
            }


def show_led(row: dict[str, Any]) -> None:
    print(
        "{trace:8} {lru:7.4f} {led_by:10} {store:7.4f} {policy:7.4f} {microseconds:9.2f}".format(
            **row
        ),
        flush=True,
    )


def lru(trace: list[str], capacity: int) -> float:
    held: OrderedDict[str, None] = OrderedDict()
    misses = 0
    for key in trace:
        if key in held:
            held.move_to_end(key)
            continue
        misses += 1
        held[key] = None
        if len(held) > capacity:
            held.popitem(last=False)
    return misses / len(trace)


def led(trace: list[str], capacity: int, policy: str) -> tuple[float, float]:
    """Return the miss ratio of a store that only follows advice, and what recording took."""
    advises = Advisor(capacity, policy=policy, learn=False)
    held: set[Any] = set()
    misses, seconds = 0, 0.0
    for key in trace:
        hit = key in held
        misses += not hit
        begun = time.perf_counter()
        advises.record([Access(key, hit=hit)])
        if not hit:
            if advises.admit(key).admit:
                held.add(key)
            if waiting := advises.stats().to_evict:
                held.difference_update(each.key for each in advises.evict(waiting))
        seconds += time.perf_counter() - begun
        assert len(held) <= capacity
    return misses / len(trace), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--advisor", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured, show = (advisor(), show_led) if options.advisor else (servers(), show_server)
    if options.json:
        print(json.dumps(list(measured), indent=1))
        return
    if options.advisor:
        print(f"{'trace':8} {'LRU':>7} {'led by':10} {'store':>7} {'policy':>7} {'us/access':>9}")
    for each in measured:
        show(each)


if __name__ == "__main__":
    main()
