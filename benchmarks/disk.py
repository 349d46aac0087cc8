"""What a look-up on disk costs: `augury.tiers.disk.Disk` beside LMDB itself and diskcache.

    python -m benchmarks.disk [--rounds 25] [--keys 2000] [--json]

All are in one process and hold the same keys and values of 1 KB, in memory by way of the kernel's
cache. Every round asks each contender once for every key, one after the other; reported are medians
over the rounds of nanoseconds of CPU time a look-up, from which other processes take nothing, and
of the ratios to LMDB's in the same round. Augury makes the key stable, checks that the value is
whole, of this key and not expired, and marks it as read.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import diskcache
import lmdb

from augury.tiers import Entry
from augury.tiers.disk import Disk


def contenders(folder: Path, count: int, value: str | bytes) -> dict[str, Callable[[], None]]:
    """Return, by name, what looks up every key once."""
    keys = [f"user:{number}" for number in range(count)]
    names = [key.encode() for key in keys]

    tier = Disk(folder / "augury", "256MiB")
    tier.set_many({key: Entry(value) for key in keys})
    env = lmdb.open(str(folder / "lmdb"), map_size=1 << 30, sync=False)
    with env.begin(write=True) as txn:
        for name in names:
            txn.put(name, value.encode() if isinstance(value, str) else value)
    peer = diskcache.Cache(str(folder / "diskcache"))
    for key in keys:
        peer[key] = value

    def augury_many() -> None:
        for key in keys:
            tier.get_many([key])

    def augury_get() -> None:
        for key in keys:
            tier.get(key)

    def augury_batch() -> None:
        for start in range(0, count, 100):
            tier.get_many(keys[start : start + 100])

    def lmdb_get() -> None:
        for name in names:
            with env.begin() as txn:
                txn.get(name)

    def diskcache_get() -> None:
        for key in keys:
            peer.get(key)

    return {
        "lmdb: begin, get": lmdb_get,
        "augury: get": augury_get,
        "augury: get_many of 1": augury_many,
        "augury: get_many of 100": augury_batch,
        "diskcache: get": diskcache_get,
    }


def measure(rounds: int, count: int) -> list[dict[str, object]]:
    """Return a row for each contender and kind of value."""
    rows: list[dict[str, object]] = []
    values: dict[str, str | bytes] = {"bytes": os.urandom(1024), "str": "x" * 1024}
    for kind, value in values.items():
        with tempfile.TemporaryDirectory() as folder:
            ways = contenders(Path(folder), count, value)
            times: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(rounds + 1):
                for name, way in ways.items():
                    start = time.process_time()
                    way()
                    if turn:  # the first one warms up
                        times[name].append((time.process_time() - start) / count * 1e9)
            base = times["lmdb: begin, get"]
            for name, taken in times.items():
                ratios = [one / other for one, other in zip(taken, base, strict=True)]
                rows.append(
                    {
                        "value": kind,
                        "contender": name,
                        "nanoseconds": round(statistics.median(taken)),
                        "times_lmdb": round(statistics.median(ratios), 2),
                    }
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.rounds, arguments.keys)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print("{value:6} {contender:24} {nanoseconds:>7} ns  {times_lmdb:>6} x".format(**row))


if __name__ == "__main__":
    main()
