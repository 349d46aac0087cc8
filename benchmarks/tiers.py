"""What `augury.Tiers` gains in front of a real Valkey server on loopback.

    python -m benchmarks.tiers [--rounds 11] [--json]

Three figures: reads of a Zipf mix through a near cache beside redis-py's own GET, in one process
and interleaved, as the median of the rounds' ratios; how long after another process's write was
answered a reader in a busy loop still saw the old value (`consistency="tracked"`); and how many
times the server was written to for a batch of 100 keys, half of which are near. For what each
reading of the clock costs, near hits are also timed one by one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any, Literal

import numpy as np
import redis

from augury.tiers import Memory, Tiers
from augury.tiers.redis import Redis
from tests.servers.valkey import Valkey, valkey

KEYS = 10_000
VALUE = "x" * 100
READS = 20_000

Mode = Literal["ttl", "tracked", "validated"]


def zipf(count: int, keys: int, seed: int) -> list[int]:
    """Return requests of which the key of rank r has a share of 1 / r."""
    shares = 1.0 / np.arange(1, keys + 1)
    random = np.random.default_rng(seed)
    drawn: list[int] = random.choice(keys, count, p=shares / shares.sum()).tolist()
    return drawn


def open_tiers(server: Valkey, capacity: int, mode: Mode) -> Tiers[Any, Any]:
    last = Redis(f"redis://127.0.0.1:{server.port}", namespace="bench", timeout=1.0)
    ttl = 3600 if mode == "ttl" else None
    return Tiers([Memory(capacity), last], consistency=mode, ttl=ttl, jitter=0.0)


def throughput(server: Valkey, capacity: int, mode: Mode, rounds: int) -> dict[str, Any]:
    """Compare reads through a near cache with redis-py's GET."""
    client = redis.Redis(port=server.port)
    for key in range(KEYS):
        client.set(f"plain:{key}", VALUE)
    with open_tiers(server, capacity, mode) as tiers:
        tiers.set_many(dict.fromkeys(range(KEYS), VALUE))
        for key in [*range(KEYS), *zipf(100_000, KEYS, seed=0)]:
            tiers.get(key)
        ratios, near, plain = [], [], []
        for number in range(rounds):
            requests = zipf(READS, KEYS, seed=number + 1)
            get = tiers.get
            began = time.perf_counter()
            for key in requests:
                get(key)
            near.append((time.perf_counter() - began) / READS)
            few = requests[: READS // 20]
            began = time.perf_counter()
            for key in few:
                client.get(f"plain:{key}")
            plain.append((time.perf_counter() - began) / len(few))
            ratios.append(plain[-1] / near[-1])
        singles = hit_times(tiers, zipf(100_000, KEYS, seed=99))
    client.close()
    return {
        "mode": mode,
        "capacity": capacity,
        "near_us": 1e6 * float(np.median(near)),
        "get_us": 1e6 * float(np.median(plain)),
        "ratio": float(np.median(ratios)),
        "ratio_low": float(np.quantile(ratios, 0.25)),
        "ratio_high": float(np.quantile(ratios, 0.75)),
        "p50_us": 1e6 * float(np.quantile(singles, 0.5)),
        "p99_us": 1e6 * float(np.quantile(singles, 0.99)),
    }


def hit_times(tiers: Tiers[Any, Any], requests: list[int]) -> list[float]:
    """Time near hits one by one; what memory does not hold is read before, untimed."""
    times = []
    clock, get = time.perf_counter, tiers.get
    for key in requests:
        get(key)
        began = clock()
        get(key)
        times.append(clock() - began)
    return times


WRITER = """
import sys, time
from augury.tiers import Tiers
from augury.tiers.redis import Redis
port, writes = int(sys.argv[1]), int(sys.argv[2])
with Tiers([Redis(f"redis://127.0.0.1:{port}", namespace="bench", timeout=1.0)]) as tiers:
    for number in range(1, writes + 1):
        time.sleep(0.005)
        tiers["shared"] = number
        print(number, time.monotonic_ns(), flush=True)
"""


def staleness(server: Valkey, writes: int) -> dict[str, Any]:
    """Measure how long a busy reader sees an old value after another process's write ended."""
    with open_tiers(server, KEYS, "tracked") as tiers:
        tiers["shared"] = 0
        for key in range(1000):
            tiers[key] = VALUE
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(server.port), str(writes)],
            stdout=subprocess.PIPE,
            text=True,
        )
        seen: dict[int, int] = {}
        last, number = 0, 0
        while last < writes:
            value: Any = tiers.get("shared")
            if value != last:
                seen[value] = time.monotonic_ns()
                last = value
            number = (number + 1) % 1000
            tiers.get(number)
        assert writer.stdout is not None
        ended = [tuple(map(int, line.split())) for line in writer.stdout]
        writer.wait()
    # A write whose number was never seen was overtaken by the next one before the reader looked.
    late = [max(0, min(s for n, s in seen.items() if n >= number) - end) for number, end in ended]
    return {
        "writes": len(late),
        "p50_ms": 1e-6 * float(np.quantile(late, 0.5)),
        "p99_ms": 1e-6 * float(np.quantile(late, 0.99)),
        "worst_ms": 1e-6 * max(late),
    }


def round_trips(server: Valkey, mode: Mode) -> dict[str, Any]:
    """Count how often the server reads from its sockets for a batch that is half near."""
    client = redis.Redis(port=server.port)
    reads: list[int] = []
    with open_tiers(server, KEYS, mode) as tiers, open_tiers(server, KEYS, mode) as writer:
        writer.set_many(dict.fromkeys(range(100), VALUE))
        tiers.get_many(range(50))
        for keys in (range(100), range(0)):
            before = client.info("stats")["total_reads_processed"]
            assert len(tiers.get_many(keys)) == len(keys)
            reads.append(client.info("stats")["total_reads_processed"] - before)
    client.close()
    return {"mode": mode, "round_trips": reads[0] - reads[1]}  # less what asking costs itself


def main() -> None:
    parser = argparse.ArgumentParser(description="What tiers gain in front of Valkey.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--writes", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with valkey() as server:
        cells: list[tuple[int, Mode]] = [(KEYS, "ttl"), (KEYS, "tracked"), (KEYS // 10, "ttl")]
        rows = [throughput(server, capacity, mode, given.rounds) for capacity, mode in cells]
        late = staleness(server, given.writes)
        modes: list[Mode] = ["ttl", "tracked", "validated"]
        trips = [round_trips(server, mode) for mode in modes]
    if given.json:
        print(json.dumps({"throughput": rows, "staleness": late, "round_trips": trips}))
        return
    print(
        f"Zipf reads of {KEYS:,} keys, {len(VALUE)}-byte values; medians of {given.rounds} rounds"
    )
    titles = ("near holds", "near us", "GET us", "ratio", "p50 us", "p99 us")
    print(f"{'mode':10}" + "".join(f"{title:>11}" for title in titles))
    for row in rows:
        print(
            f"{row['mode']:10}{row['capacity']:11,}{row['near_us']:11.2f}{row['get_us']:11.1f}"
            f"{row['ratio']:10.1f}x{row['p50_us']:11.2f}{row['p99_us']:11.2f}"
        )
    print(
        f"\nstale after another process's write (tracked, {late['writes']:,} writes): "
        f"p50 {late['p50_ms']:.2f} ms, p99 {late['p99_ms']:.2f} ms, worst {late['worst_ms']:.1f} ms"
    )
    print("\na batch of 100 keys, 50 of them near, costs round trips:")
    for trip in trips:
        print(f"  {trip['mode']:10}{trip['round_trips']:3}")


if __name__ == "__main__":
    main()
