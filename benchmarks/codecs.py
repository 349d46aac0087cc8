"""What safe bytes cost: `augury.codecs.Serializer` beside msgspec alone and pickle.

    python -m benchmarks.codecs [--rounds 25] [--json]

Every round times each contender once on each value, one after the other; reported are the medians
of the CPU time, from which other processes take nothing. Augury checks types, adds header and
checksum, and here neither compresses nor, but in the column that says so, encrypts. Neither rival
finds damage, msgspec restores tuples as lists, and pickle runs what it reads: they are bounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pickle
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np

from augury.codecs import Keyring, Serializer

CONTEXT = b"user:1234567"

Way = Callable[[Any], Any]


def contenders() -> dict[str, tuple[Way, Way]]:
    """Return how each writes and reads."""
    plain = Serializer(compress_above=None)
    encrypted = Serializer(compress_above=None, keys=Keyring({1: bytes(32)}))
    return {
        "augury": (partial(plain.dumps, context=CONTEXT), partial(plain.loads, context=CONTEXT)),
        "encrypted": (
            partial(encrypted.dumps, context=CONTEXT),
            partial(encrypted.loads, context=CONTEXT),
        ),
        "msgspec": (msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode),
        "pickle": (partial(pickle.dumps, protocol=5), pickle.loads),
    }


def values() -> dict[str, Any]:
    words = "some words of a text "
    noon, minute = datetime.datetime(2026, 1, 1, 12), datetime.timedelta(minutes=1)
    return {
        "bytes, 1 KB": b"x" * 1024,
        "str, 1 KB": "x" * 1024,
        "flat dict, 1 KB": {f"field{i:02}": words * 2 if i % 3 == 0 else i for i in range(40)},
        "dict of lists, 1 KB": {f"field{i:02}": [i, words, i * 1.5] for i in range(24)},
        "1000 rows": [(i, f"name {i}", i * 1.5) for i in range(1000)],
        "1000 rows, datetimes": [(i, f"name {i}", noon + i * minute) for i in range(1000)],
        "array, 1 KB": np.zeros(128),
        "array, 8 MB": np.zeros(1 << 20),
    }


def measure(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each way."""
    numbers = {}
    for name, way in ways.items():
        way()
        began = time.process_time()
        for _ in range(10):
            way()
        numbers[name] = max(1, int(0.02 / max(time.process_time() - began, 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            for _ in range(numbers[name]):
                way()
            seconds[name].append((time.process_time() - began) / numbers[name])
    return {name: statistics.median(times) for name, times in seconds.items()}


def rows(rounds: int) -> dict[str, dict[str, float]]:
    found = {}
    for name, value in values().items():
        writing: dict[str, Callable[[], Any]] = {}
        reading: dict[str, Callable[[], Any]] = {}
        for contender, (write, read) in contenders().items():
            try:
                data = write(value)
            except TypeError:  # msgspec has no arrays
                continue
            writing[contender] = partial(write, value)
            reading[contender] = partial(read, data)
        found[f"write {name}"] = measure(writing, rounds)
        found[f"read {name}"] = measure(reading, rounds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What safe bytes cost, beside msgspec and pickle.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = rows(options.rounds)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    names = list(contenders())
    print(f"{'microseconds':28}" + "".join(f"{name:>12}" for name in names))
    for title, row in found.items():
        cells = "".join(f"{row[n] * 1e6:12,.2f}" if n in row else f"{'':12}" for n in names)
        print(f"{title:28}{cells}")


if __name__ == "__main__":
    main()
