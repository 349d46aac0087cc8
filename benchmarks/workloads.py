"""Traces that are made, always the same: what caches meet, a shape each, for whoever has no logs.

    python -m benchmarks.workloads FOLDER [--quick]

Each is written as FOLDER/NAME.oracleGeneral.zst, records of libCacheSim. They show how policies
differ, not how often each shape is met: figures of real traces count for more.

zipf      popularity by Zipf's law, which stays as it is
drift     the same, but one by one the places in the order of popularity get other keys
scans     the same, and now and then a scan of keys that never come again
loop      a loop over more keys than fit, among popular ones
bursts    news: each key is asked for often when it is new, then less and less
sessions  users who walk from page to page, many at a time
phases    the four before this one in turns
sizes     drift, with sizes from bytes to megabytes, by a lognormal law
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

REQUESTS, QUICK = 300_000, 60_000
RECORD = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])
_PER_SECOND = 100

Keys: TypeAlias = NDArray[np.int64]
Random: TypeAlias = np.random.Generator


def zipf(random: Random, requests: int, keys: int = 30_000, exponent: float = 0.9) -> Keys:
    weights = 1 / np.arange(1, keys + 1) ** exponent
    ranks = np.searchsorted(np.cumsum(weights) / weights.sum(), random.random(requests))
    return random.permutation(keys)[ranks]


def drift(random: Random, requests: int) -> Keys:
    keys, period = 30_000, REQUESTS // 3
    found = zipf(random, requests, keys)
    # Each place in the order of popularity gets another key once a period, at a time of its own.
    turn = (np.arange(requests) + random.integers(0, period, keys)[found]) // period
    return (found + turn * 7_919) % keys


def scans(random: Random, requests: int) -> Keys:
    found = zipf(random, requests)
    for number, start in enumerate(range(10_000, requests, 20_000)):
        end = min(requests, start + 5_000)
        found[start:end] = 10**6 + number * 5_000 + np.arange(end - start)
    return found


def loop(random: Random, requests: int) -> Keys:
    found = zipf(random, requests)
    looping = random.random(requests) < 0.6
    found[looping] = 2 * 10**6 + np.arange(np.count_nonzero(looping)) % 4_000
    return found


def bursts(random: Random, requests: int) -> Keys:
    born = np.arange(requests) // 10
    age = (random.pareto(0.8, requests) * 20).astype(np.int64)
    news: Keys = 3 * 10**6 + np.maximum(born - age, -20_000)
    return news


def sessions(random: Random, requests: int) -> Keys:
    pages, links, users = 20_000, 3, 50
    following = zipf(random, pages * links, pages).reshape(pages, links)
    entrances = zipf(random, requests, pages)
    chosen = random.choice(links, requests, p=(0.7, 0.2, 0.1))
    leaves = random.random(requests) < 0.1
    at = entrances[:users].copy()
    found = np.empty(requests, np.int64)
    for number, user in enumerate(random.integers(0, users, requests)):
        at[user] = entrances[number] if leaves[number] else following[at[user], chosen[number]]
        found[number] = at[user]
    return 4 * 10**6 + found


def phases(random: Random, requests: int) -> Keys:
    part = -(-requests // 8)
    made = [make(random, part) for make in (scans, loop, bursts, sessions) * 2]
    return np.concatenate(made)[:requests]


SHAPES: dict[str, Callable[[Random, int], Keys]] = {
    "zipf": zipf,
    "drift": drift,
    "scans": scans,
    "loop": loop,
    "bursts": bursts,
    "sessions": sessions,
    "phases": phases,
    "sizes": drift,
}


def records(name: str, requests: int) -> NDArray[np.void]:
    """Return a trace, the same for the same arguments."""
    random = np.random.default_rng(list(name.encode()))
    keys = SHAPES[name](random, requests)
    made = np.zeros(requests, RECORD)
    made["time"] = np.arange(requests) // _PER_SECOND
    made["key"] = keys - keys.min()
    made["size"] = 1
    if name == "sizes":
        of_key = np.clip(random.lognormal(8, 2, int(keys.max()) + 1), 64, 2**24)
        made["size"] = of_key.astype(np.uint32)[keys]
    order = np.argsort(keys, kind="stable")
    again = keys[order[1:]] == keys[order[:-1]]
    made["next"] = -1
    made["next"][order[:-1][again]] = order[1:][again]
    return made


def write_traces(folder: Path, *, quick: bool = False) -> None:
    """Write every trace into a folder, which is made."""
    import zstandard

    folder.mkdir(parents=True, exist_ok=True)
    compressor = zstandard.ZstdCompressor()
    for name in SHAPES:
        made = records(name, QUICK if quick else REQUESTS)
        (folder / f"{name}.oracleGeneral.zst").write_bytes(compressor.compress(made.tobytes()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK:,} requests, not {REQUESTS:,}"
    )
    options = parser.parse_args()
    write_traces(options.folder, quick=options.quick)


if __name__ == "__main__":
    main()
