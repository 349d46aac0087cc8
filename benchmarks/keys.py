"""What a key costs: `augury.keys.digest` beside joblib.hash and a hash of the pickle.

    python -m benchmarks.keys [--rounds 15] [--json]

Every round times each contender once on each value, one after the other, so that what disturbs the
machine disturbs all; reported is the median over the rounds, and its ratio to Augury's. Only Augury
and joblib tell values apart alike everywhere: a pickle depends on the order of sets and dicts and
on which objects are shared, so it is a bound, not a rival.
"""

from __future__ import annotations

import argparse
import dataclasses
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


def measure(value: Any, rounds: int) -> dict[str, float]:
    """Return the median seconds that each contender takes."""
    began = time.perf_counter()
    keys.digest(value)
    number = max(1, int(0.002 / (time.perf_counter() - began)))
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, function in CONTENDERS.items():
            began = time.perf_counter()
            for _ in range(number):
                function(value)
            seconds[name].append((time.perf_counter() - began) / number)
    return {name: statistics.median(times) for name, times in seconds.items()}


def measure_call(rounds: int) -> dict[str, float]:
    """Return what keying a call costs, beside joblib's way: bind the arguments, hash them."""
    filter_args = importlib.import_module("joblib.func_inspect").filter_args
    args, kwargs = ("text",), {"tags": ("a", "b")}
    ways: dict[str, Callable[[], Any]] = {
        "augury": lambda: keys.call_key(search, args, kwargs),
        "joblib": lambda: joblib.hash(filter_args(search, [], args, kwargs)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            for _ in range(200):
                way()
            seconds[name].append((time.perf_counter() - began) / 200)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="What a key costs, beside joblib and pickle.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    medians = {"call_key": measure_call(options.rounds)}
    for name, value in values().items():
        large = getattr(value, "nbytes", 0)
        rounds = options.rounds if np.max(large) < 1e7 else max(3, options.rounds // 3)
        medians[name] = measure(value, rounds)
    if options.json:
        print(json.dumps(medians, indent=1))
        return
    print(f"{'value':28}{'augury us':>12}{'joblib us':>12}{'pickle us':>12}{'joblib/augury':>15}")
    for name, row in medians.items():
        cells = "".join(f"{row[c] * 1e6:12,.1f}" if c in row else f"{'':12}" for c in CONTENDERS)
        print(f"{name:28}{cells}{row['joblib'] / row['augury']:15.1f}")


if __name__ == "__main__":
    main()
