"""What caching a PyTorch module costs, and saves: a 784-256-10 MLP, and digests of rows.

    python -m benchmarks.inference_torch [--threads 1] [--batch 256] [--rounds 400] [--hash]

Every round runs each contender once on the same batch, one after the other, in an order that
changes, each on a copy made just before; reported are medians over the rounds, of seconds and of
their ratio to those of the bare module in the same round. With one thread it is the CPU's time,
from which other processes take nothing. `misses`: no row was seen before, and the cache is full.
`bypass`: the same, once nothing is looked up any more. `zipf`: rows are drawn by Zipf(1.0), and
90% of them were seen before. `hits`: all were. `--hash` digests rows of 4 KB on one core.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from augury import Cache, _native
from augury.inference import CachedModel

_WIDTH = 784


def contest(
    ways: dict[str, Callable[[Any], Any]],
    batches: list[Any],
    warm: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Return the seconds of each way on each batch, without those of the first few."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    order = random.Random(1)
    for at, batch in enumerate(batches):
        order.shuffle(names)
        for name in names:
            given = copy.deepcopy(batch)  # as if it had just been made
            began = clock()
            ways[name](given)
            took = clock() - began
            if at >= warm:
                seconds[name].append(took)
    return seconds


def zipf_batches(table: Any, batch: int, rounds: int, seed: int) -> tuple[list[Any], int]:
    """Return batches of rows drawn by Zipf(1.0), and from which one on 90% were seen before."""
    generator = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, len(table) + 1)
    shares = weights / weights.sum()
    seen = np.zeros(len(table), bool)
    batches: list[Any] = []
    warm = 0
    while len(batches) < warm + rounds or not warm:
        chosen = generator.choice(len(table), batch, p=shares)
        if not warm and seen[chosen].mean() >= 0.9:
            warm = len(batches)
        seen[chosen] = True
        batches.append(table[chosen])
    return batches, warm


def measure(batch: int, rounds: int, clock: Callable[[], float]) -> dict[str, dict[str, float]]:
    import torch

    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(_WIDTH, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
    ).eval()

    def bare(rows: Any) -> Any:
        with torch.inference_mode():
            return model(rows)

    def caching(bypass: bool) -> CachedModel:
        return CachedModel(model, Cache(20_000), bypass=bypass)

    def compared(way: CachedModel, batches: list[Any], warm: int) -> dict[str, float]:
        seconds = contest({"bare": bare, "cached": way}, batches, warm, clock)
        ratios = [c / b for b, c in zip(seconds["bare"], seconds["cached"], strict=True)]
        return {
            "bare": statistics.median(seconds["bare"]),
            "cached": statistics.median(seconds["cached"]),
            "ratio": statistics.median(ratios),
            "total": sum(seconds["cached"]) / sum(seconds["bare"]),
            "hit_ratio": way.stats.hit_ratio,
        }

    new = [torch.rand(batch, _WIDTH) for _ in range(rounds)]
    found = {"misses": compared(caching(False), new, rounds // 4)}
    found["bypass"] = compared(
        caching(True), [torch.rand(batch, _WIDTH) for _ in range(rounds)], 20
    )
    repeated, warm = zipf_batches(torch.rand(20_000, _WIDTH), batch, rounds, 1)
    found["zipf"] = compared(caching(False), repeated, warm)
    found["zipf, bypass"] = compared(caching(True), repeated, warm)
    found["hits"] = compared(caching(False), new[:1] * rounds, 5)
    return found


def digests(rounds: int) -> dict[str, float]:
    """Return bytes a second of digesting rows of 4 KB, on one core."""
    rows: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (256, 4096), np.uint8)
    lines = [row.tobytes() for row in rows]
    ways: dict[str, Callable[[Any], Any]] = {
        "augury": lambda _: _native.digest_rows(rows),
        "xxh3_128": lambda _: [xxhash.xxh3_128_digest(line) for line in lines],
        "blake2b": lambda _: [hashlib.blake2b(line, digest_size=16).digest() for line in lines],
    }
    seconds = contest(ways, [None] * rounds, 5)
    return {name: rows.size / statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="What caching a module's outputs costs and saves.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--hash", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.hash:
        speeds = digests(options.rounds)
        if options.json:
            print(json.dumps(speeds))
        else:
            for name, speed in speeds.items():
                print(f"{name:10} {speed / 1e9:8.2f} GB/s")
        return
    import torch

    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    found = measure(options.batch, options.rounds, clock)
    if options.json:
        json.dump(found, sys.stdout, indent=1)
        return
    print(f"{'':14}{'bare, us':>10}{'cached, us':>12}{'ratio':>8}{'total':>8}{'hits':>7}")
    for name, row in found.items():
        print(
            f"{name:14}{row['bare'] * 1e6:10,.0f}{row['cached'] * 1e6:12,.0f}{row['ratio']:8.3f}"
            f"{row['total']:8.3f}{row['hit_ratio']:7.2f}"
        )


if __name__ == "__main__":
    main()
