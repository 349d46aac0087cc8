"""What a restart costs in misses: without one, after load, after warm, and cold; on traces.

    python benchmarks/restart.py TRACES [--names w92,cdn] [--policies lru,auto] [--size 5]

A cache of a share of the trace's distinct keys is asked for the first half of the trace and saved.
The next requests, twice the capacity, are then sent to that cache, to one that has loaded the file,
to one that was warmed by the first half as a log, and to an empty one. Prints the first one's miss
ratio in percent, and by how many points the others missed more. `learned` has a model of the first
quarter; that needs lightgbm.

    python benchmarks/restart.py --entries 1000000

Times saving and loading of so many entries of 100 bytes, and for how long saving keeps other
threads out to see one moment.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import augury
from augury import Artefact, Cache, read_trace
from augury.accesslog import Spool
from augury.policies import describe


def serve(cache: Cache[int, int], keys: list[int]) -> float:
    missed = 0
    for key in keys:
        if cache.get(key) is None:
            cache[key] = 1
            missed += 1
    return missed / len(keys)


def compare(
    policy: str, capacity: int, keys: list[int], model: Artefact | None, folder: Path
) -> tuple[float, ...]:
    def fresh(own: Artefact | None = None) -> Cache[int, int]:
        return Cache(capacity, policy=policy, learn=False, model=own)

    half = len(keys) // 2
    following = keys[half : half + 2 * capacity]
    cache, loaded, warmed = fresh(model), fresh(), fresh(model)
    serve(cache, keys[:half])
    cache.save(folder / "snapshot")
    loaded.load(folder / "snapshot")
    warmed.warm(keys[:half], lambda _: 1)
    return tuple(serve(each, following) for each in (cache, loaded, warmed, fresh(model)))


def misses(options: argparse.Namespace, folder: Path) -> None:
    print(f"{'trace':<14}{'policy':<10}{'on':>8}{'load':>8}{'warm':>8}{'cold':>8}")
    more: dict[str, list[tuple[float, ...]]] = {}
    for path in sorted(options.traces.glob("*.oracleGeneral.zst")):
        name = path.name.partition(".")[0]
        if not name.startswith(tuple(options.names.split(","))):
            continue
        with Spool(read_trace(path)) as spool:
            capacity = max(1, int(spool.distinct * options.size / 100))
            numbers = np.asarray(spool.keys)
            keys = np.concatenate([numbers[chunk.ids] for chunk in spool.chunks()]).tolist()
        for policy in options.policies.split(","):
            model = None
            if describe(policy).learns:
                try:
                    model = augury.learn(keys[: len(keys) // 4])
                except augury.AuguryError:  # there is nothing to learn
                    continue
            ratios = compare(policy, capacity, keys, model, folder)
            points = tuple(100 * (ratio - ratios[0]) for ratio in ratios[1:])
            more.setdefault(policy, []).append(points)
            told = "".join(f"{point:>+8.2f}" for point in points)
            print(f"{name:<14}{policy:<10}{100 * ratios[0]:>8.2f}{told}", flush=True)
    for policy, each in more.items():
        worst = np.max(np.array(each), axis=0)
        mean = np.mean(np.array(each), axis=0)
        for what, row in (("mean", mean), ("worst", worst)):
            print(f"{what:<14}{policy:<18}" + "".join(f"{point:>+8.2f}" for point in row))


def times(entries: int, folder: Path) -> None:
    cache: Cache[str, bytes] = Cache(entries, policy="lru")
    for number in np.random.default_rng(0).permutation(entries).tolist():
        cache[f"user:{number}"] = b"%0100d" % number
    path = folder / "snapshot"
    loaded: Cache[str, bytes] = Cache(entries, policy="lru")
    steps: dict[str, Callable[[], object]] = {
        "the moment": cache._contents,
        "save": lambda: cache.save(path),
        "load": lambda: loaded.load(path),
    }
    for what, step in steps.items():
        begun = time.perf_counter()
        step()
        spent = time.perf_counter() - begun
        print(f"{what:<12}{spent:>8.2f} s{1e6 * spent / entries:>8.2f} us an entry")
    print(f"{path.stat().st_size / entries:.0f} bytes an entry")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("traces", type=Path, nargs="?")
    parser.add_argument("--names", default="", help="only traces that begin so, by commas")
    parser.add_argument("--policies", default="lru,lfu,s3fifo,wtinylfu,auto,learned")
    parser.add_argument("--size", type=float, default=5, help="percent of the distinct keys")
    parser.add_argument("--entries", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.entries:
            times(options.entries, Path(folder))
        if options.traces:
            misses(options, Path(folder))


if __name__ == "__main__":
    main()
