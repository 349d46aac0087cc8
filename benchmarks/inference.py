"""What cached inference gains: `CachedModel` beside the bare model, joblib.Memory and lru_cache.

    python -m benchmarks.inference [--only forest] [--rounds 3] [--json]

Two models: a 784-256-10 network of PyTorch (without PyTorch it is left out) and a random forest of
300 trees. Rows are scikit-learn's real digits, enlarged to 28 x 28 for the network, each with noise
of its own, so that no two are equal. Batches have 1, 32 or 256 of them.

- ``cold``: a stream of Zipf(1.0) from empty caches, so long that a tenth of its rows are first
  occurrences, which have to be computed. Repeats are 90% of the stream, few in its beginning.
- ``steady``: all rows that are popular have been seen; 100%, 99% or 90% of the stream are these, by
  Zipf(1.0), all others are rows never seen before.
- ``hits``: the same rows again and again: the way of a hit alone.

Where a row costs the model the same in any batch, no cache is faster than 1 / (1 - repeats): 10
times at 90%. Where a call costs much whatever its rows, it gains less in large batches, most of
which have a new row.

All contenders take turns on each batch in a random order; times are of the processor, which other
processes do not lengthen, on one thread. That leaves out what joblib.Memory waits for its files.
Reported are rows a second, and the median over the rounds of the ratio to the bare model on the
same batches. Peers, which go row by row or write files, are run on the first batches only, as they
take long; they have seen what is popular of these.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Memory
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from augury import Cache
from augury.inference import CachedModel

Rows = NDArray[np.float32]
Way = Callable[[Rows], NDArray[Any]]
REPEATS = (1.0, 0.99, 0.9)
PEERS = ("lru_cache", "joblib rows", "joblib calls")


@dataclass(frozen=True)
class Subject:
    """A model, and how much of it is bearable to measure."""

    name: str
    bare: Way
    cached: Callable[[bool], Way]
    """Return a cached one, given whether it may bypass the cache."""
    noisy: Callable[[int], Rows]
    """Return so many rows that are never the same."""
    popular: int
    """Rows that come again in the steady state."""
    lengths: dict[int, int]
    """Rows of a stream, by the size of the batches."""
    limit: int
    """Rows that peers are run on."""


def pool(generator: np.random.Generator, enlarged: bool) -> Callable[[int], Rows]:
    images = load_digits().images.astype(np.float32) / 16
    if enlarged:
        nearest = np.arange(28) * 8 // 28
        images = images[:, nearest][:, :, nearest]
    images = images.reshape(len(images), -1)

    def noisy(count: int) -> Rows:
        rows: Rows = images[generator.integers(len(images), size=count)]
        rows += generator.normal(0, 0.05, rows.shape).astype(np.float32)
        return rows

    return noisy


def network() -> Subject | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
    ).eval()

    def bare(rows: Rows) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(rows)))

    def cached(bypass: bool) -> Way:
        wrapped = CachedModel(model, Cache(200_000), bypass=bypass)
        return lambda rows: np.asarray(wrapped(torch.from_numpy(rows)))

    noisy = pool(np.random.default_rng(1), enlarged=True)
    lengths = {1: 4_096, 32: 20_480, 256: 40_960}
    return Subject("network", bare, cached, noisy, 2_048, lengths, 256)


def forest() -> Subject:
    digits = load_digits()
    model = RandomForestClassifier(n_estimators=300, random_state=1)
    model.fit(digits.data / 16, digits.target)

    def cached(bypass: bool) -> Way:
        return CachedModel(model, Cache(200_000), method="predict_proba", bypass=bypass)

    noisy = pool(np.random.default_rng(1), enlarged=False)
    lengths = {1: 200, 32: 1_600, 256: 5_120}
    return Subject("forest", model.predict_proba, cached, noisy, 512, lengths, 64)


def contenders(subject: Subject, folder: str) -> dict[str, Way]:
    bare = subject.bare

    def compute(rows: Rows) -> NDArray[Any]:
        return bare(rows)

    one = functools.lru_cache(None)(lambda row: bare(np.array([row], np.float32))[0])
    by_row = Memory(Path(folder, "rows"), verbose=0).cache(compute)
    by_call = Memory(Path(folder, "calls"), verbose=0).cache(compute)
    return {
        "bare": bare,
        "augury": subject.cached(True),
        "augury, always": subject.cached(False),
        "lru_cache": lambda rows: np.stack([one(tuple(row)) for row in rows.tolist()]),
        "joblib rows": lambda rows: np.concatenate([by_row(row[None]) for row in rows]),
        "joblib calls": by_call,
    }


def zipf(generator: np.random.Generator, count: int, distinct: int) -> NDArray[np.int64]:
    """Return places in a table, of which that of rank r has a share of 1 / r."""
    shares = 1.0 / np.arange(1, distinct + 1)
    return generator.choice(distinct, count, p=shares / shares.sum())


def universe(length: int) -> int:
    """Return of how many rows a Zipf stream so long asks for a tenth of its length."""

    def asked(distinct: int) -> float:
        shares = 1.0 / np.arange(1, distinct + 1)
        return float((1.0 - (1.0 - shares / shares.sum()) ** length).sum())

    low, high = 1, length
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if asked(middle) < length / 10 else (low, middle)
    return low


def race(ways: dict[str, Way], batches: list[Rows], limit: int) -> dict[str, list[float]]:
    """Return the seconds of each way on each batch, and see that all return the same."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    order = random.Random(1)
    done = 0
    for batch in batches:
        order.shuffle(names)
        made = {}
        for name in names:
            if name in PEERS and done >= limit:
                continue
            began = time.process_time()
            made[name] = ways[name](batch)
            seconds[name].append(time.process_time() - began)
        for name, outputs in made.items():
            if not np.allclose(outputs, made["bare"], rtol=0, atol=1e-4):
                raise SystemExit(f"{name} returned something else than the bare model")
        done += len(batch)
    return seconds


def cold(subject: Subject, batch: int, seed: int) -> dict[str, list[float]]:
    length = subject.lengths[batch]
    distinct = universe(length)
    chosen = zipf(np.random.default_rng(seed), length, distinct)
    table = subject.noisy(distinct)
    ways = {
        "bare": subject.bare,
        "augury": subject.cached(True),
        "augury, always": subject.cached(False),
    }
    return race(ways, [table[each] for each in np.split(chosen, length // batch)], 0)


def steady(subject: Subject, batch: int, repeats: float, seed: int) -> dict[str, list[float]]:
    generator = np.random.default_rng(seed)
    length = subject.lengths[batch]
    table = subject.noisy(subject.popular)
    chosen = zipf(generator, length, len(table))
    new = generator.random(length) >= repeats
    rows = table[chosen]
    rows[new] = subject.noisy(int(new.sum()))
    few = table[np.unique(chosen[: max(subject.limit, batch)])]
    with tempfile.TemporaryDirectory() as folder:
        ways = contenders(subject, folder)
        for name in ("lru_cache", "joblib rows"):
            ways[name](few)
        for name in ("augury", "augury, always"):
            for part in np.split(table, len(table) // 256) * 3:  # its bypass has to notice repeats
                ways[name](part)
        return race(ways, np.split(rows, length // batch), subject.limit)


def hits(subject: Subject, batch: int) -> dict[str, list[float]]:
    rows = subject.noisy(batch)
    with tempfile.TemporaryDirectory() as folder:
        ways = contenders(subject, folder)
        race(ways, [rows] * 4, 4 * batch)
        times = max(10, 200 // batch)
        return race(ways, [rows] * times, times * batch)


def summary(batch: int, rounds: list[dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Return rows a second of each contender, and how many times those of the bare model."""
    found = {}
    for name in rounds[0]:
        speeds, ratios = [], []
        for seconds in rounds:
            mine = seconds[name]
            speeds.append(batch * len(mine) / sum(mine))
            ratios.append(sum(seconds["bare"][: len(mine)]) / sum(mine))
        found[name] = {
            "rows_per_second": statistics.median(speeds),
            "ratio": statistics.median(ratios),
            "ratio_low": min(ratios),
            "ratio_high": max(ratios),
        }
    return found


def measure(subject: Subject, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    seeds = range(rounds)
    found = {}
    for batch in subject.lengths:
        runs = {"cold 90%": [cold(subject, batch, seed) for seed in seeds]}
        for repeats in REPEATS:
            runs[f"steady {repeats:.0%}"] = [steady(subject, batch, repeats, s) for s in seeds]
        runs["hits"] = [hits(subject, batch) for _ in seeds]
        for stream, times in runs.items():
            title = f"{subject.name}, batches of {batch}, {stream}"
            found[title] = summary(batch, times)
            print(title, file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What cached inference gains.")
    parser.add_argument("--only", choices=["network", "forest"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Persisting input arguments", UserWarning)
    makers: dict[str, Callable[[], Subject | None]] = {"network": network, "forest": forest}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, make in makers.items():
        subject = make() if options.only in (None, name) else None
        if subject is not None:
            found |= measure(subject, options.rounds)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    names = ("bare", "augury", "augury, always", *PEERS)
    print(f"{'rows/s (times bare)':40}" + "".join(f"{name:>18}" for name in names))
    for title, row in found.items():
        cells = [
            f"{row[n]['rows_per_second']:10,.0f} ({row[n]['ratio']:5.1f})" if n in row else ""
            for n in names
        ]
        print(f"{title:40}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
