"""Write counts.json: exact miss counts of every policy at eight sizes on a generated trace.

python tests/golden/regenerate.py

A change in counts.json is a change in what a policy decides: the commit has to say why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from augury._native import Simulation, describe_policies, hash_integers

COUNTS = Path(__file__).with_name("counts.json")
ENTRIES = (1, 10, 100, 500, 1_000, 3_000, 8_000, 20_000)
MEAN_SIZE = 400
BLOCKS, BLOCK = 200, 1_000


class Trace(NamedTuple):
    """Requests by dense id; made by integer arithmetic, so the same everywhere."""

    ids: NDArray[np.uint32]
    hashes: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    next: NDArray[np.int64]


def numbers(seed: int, count: int) -> NDArray[np.uint64]:
    """SplitMix64."""
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64)
        z = np.uint64(seed) + steps * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def block(index: int) -> NDArray[np.uint64]:
    """A thousand keys: popular ones, which drift, with scans and a loop in between."""
    kind, place = index % 10, np.arange(BLOCK, dtype=np.uint64)
    if kind == 3:  # a scan of keys never seen again
        return np.uint64(10_000_000 + index * BLOCK) + place
    if kind in (6, 7):  # a loop over 4000 keys
        start = np.uint64((index // 10 * 2 + kind - 6) * BLOCK)
        return np.uint64(1_000_000) + (start + place) % np.uint64(4000)
    # As many requests for ranks 2^e to 2^(e+1) as for any other e: Zipf's law, by integers.
    draws = numbers(index, 2 * BLOCK)
    octave = draws[:BLOCK] % np.uint64(15)
    rank = (np.uint64(1) << octave) + draws[BLOCK:] % (np.uint64(1) << octave)
    drift = np.uint64(index // 40 * 200)
    return rank + np.where(octave > 6, drift, np.uint64(0))


def generate() -> Trace:
    keys = np.concatenate([block(index) for index in range(BLOCKS)])
    distinct, inverse = np.unique(keys, return_inverse=True)
    ids = inverse.astype(np.uint32)
    draws = numbers(2026, len(distinct))
    size = (np.uint64(16) << (draws % np.uint64(8))) + (draws >> np.uint64(32)) % np.uint64(100)
    following = np.full(len(ids), np.iinfo(np.int64).max, np.int64)
    order = np.argsort(ids, kind="stable")
    same = ids[order[:-1]] == ids[order[1:]]
    following[order[:-1][same]] = order[1:][same]
    return Trace(ids, hash_integers(distinct), size[ids], following)


def count(policy: str, trace: Trace, *, offline: bool, sized: bool) -> list[int]:
    """Misses at each of the sizes."""
    misses = []
    for entries in ENTRIES:
        capacity = entries * MEAN_SIZE if sized else entries
        simulation = Simulation(policy, capacity, weighed=sized)
        sizes = trace.sizes if sized else None
        simulation.feed(trace.ids, trace.hashes, sizes, trace.next if offline else None)
        simulation.validate()
        misses.append(simulation.misses)
    return misses


def main() -> None:
    trace = generate()
    counts = {
        name: {
            "unit": count(name, trace, offline=offline, sized=False),
            "sized": count(name, trace, offline=offline, sized=True),
        }
        for name, _, _, offline, *_ in describe_policies()
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in counts.items()]
    COUNTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
