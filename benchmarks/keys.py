"""What a key costs: `augury.keys.digest` beside joblib.hash and a hash of the pickle.

    python -m benchmarks.keys [--rounds 15] [--json]

Every round times each contender once on each value, one after the other. Reported are the median of
the CPU time over the rounds, from which other processes take nothing, and the median of the ratio
within a round. Only Augury and joblib key equal values alike: a pickle depends on the order of sets
and dicts and on which objects are shared, so it is a bound, not a rival.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import importlib
import json
import pickle
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from augury import keys

joblib: Any = importlib.import_module("joblib")  # it has no types


@dataclasses.dataclass
class Query:
    text: str
    limit: int
    tags: list[str]


def search(text: str, limit: int = 10, *, tags: Any = ()) -> None: ...


def pickled(value: Any) -> bytes:
    return hashlib.blake2b(pickle.dumps(value, protocol=5), digest_size=16).digest()


CONTENDERS: dict[str, Callable[[Any], Any]] = {
    "augury": keys.digest,
    "joblib": joblib.hash,
    "pickle": pickled,
}


def values() -> dict[str, Any]:
    """Return what is keyed: small calls first, then large values of 100 MB."""
    rng = np.random.default_rng(0)
    big = rng.random((2500, 5000))
    return {
        "('user', 42)": ("user", 42),
        "args and kwargs": ((1, 2.5, "text"), {"limit": 10, "tags": ["a", "b"]}),
        "dataclass": Query("text", 10, ["a", "b"]),
        "dict of 20": {f"key{i}": i for i in range(20)},
        "list of 1000 floats": rng.random(1000).tolist(),
        "array of 10 floats": rng.random(10),
        "array, 1 MB": big[:50],
        "array, 100 MB": big,
        "array, 100 MB, by column": np.asfortranarray(big),
        "array, 100 MB, half NaN": np.where(big > 0.5, np.nan, big),
        "array, 100 MB, int64": big.view("i8"),
        "frame, 100 MB": pd.DataFrame(big[:, :50].repeat(100, axis=0)),
        "frame, 1e5 strings": pd.DataFrame({"s": [f"name {i}" for i in range(100_000)]}),
    }


def measure(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each way, and the median ratio of joblib's to Augury's."""
    ways["augury"]()  # the first of a type takes longer
    began = time.process_time()
    ways["augury"]()
    number = max(1, int(0.002 / (time.process_time() - began)))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            for _ in range(number):
                way()
            seconds[name].append((time.process_time() - began) / number)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    pairs = zip(seconds["joblib"], seconds["augury"], strict=True)
    return {**medians, "ratio": statistics.median(theirs / ours for theirs, ours in pairs)}


def ways_to_key(value: Any) -> dict[str, Callable[[], Any]]:
    return {name: functools.partial(way, value) for name, way in CONTENDERS.items()}


def ways_to_key_a_call() -> dict[str, Callable[[], Any]]:
    """Return call_key and joblib's way: bind the arguments, hash them."""
    filter_args = importlib.import_module("joblib.func_inspect").filter_args
    args, kwargs = ("text",), {"tags": ("a", "b")}
    return {
        "augury": lambda: keys.call_key(search, args, kwargs),
        "joblib": lambda: joblib.hash(filter_args(search, [], args, kwargs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a key costs, beside joblib and pickle.")
    parser.add_argument("--rounds", type=int, default=15, help="of small values; fewer of large")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = {"call_key": measure(ways_to_key_a_call(), options.rounds)}
    for name, value in values().items():
        rounds = max(3, options.rounds // 3) if "100 MB" in name else options.rounds
        rows[name] = measure(ways_to_key(value), rounds)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'value':26}{'augury us':>12}{'joblib us':>12}{'pickle us':>12}{'joblib/augury':>15}")
    for name, row in rows.items():
        cells = "".join(f"{row[c] * 1e6:12,.1f}" if c in row else f"{'':12}" for c in CONTENDERS)
        print(f"{name:26}{cells}{row['ratio']:15.1f}")


if __name__ == "__main__":
    main()
