"""What one entry, hit, row, model and round trip takes here: measured, for `costs` to multiply."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import augury
from augury.accesslog import Recorder
from augury.codecs import Serializer
from augury.tiers import Entry
from augury.tiers.redis import Redis
from tests.servers.valkey import Valkey, valkey

VALUE = 200
"""Bytes of a value."""

_ENTRIES = """
import resource, sys
import augury
def now(): return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
keys, value = list(range(1 << 40, (1 << 40) + 1_000_000)), b"v"
cache = augury.Cache(len(keys), policy="auto")
before = now()
for key in keys: cache[key] = value
print((now() - before) / len(keys))
"""


def bytes_per_entry() -> float:
    """Return what the cache adds to an integer key and a value that exist, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _ENTRIES], capture_output=True, check=True, text=True
    )
    return float(done.stdout)


def median(run: Callable[[], float], rounds: int = 7) -> float:
    return statistics.median(run() for _ in range(rounds))


def cpu_ns(work: Callable[[], object], many: int) -> float:
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / many


def drawn(requests: int = 200_000, keys: int = 100_000) -> list[int]:
    found: list[int] = (keys * np.random.default_rng(1).random(requests) ** 3).astype(int).tolist()
    return found


def of_cache() -> dict[str, float]:
    """Return what a request in this process takes, without and with a recorder."""
    keys = drawn()
    cache: augury.Cache[int, bytes] = augury.Cache(100_000, policy="auto")
    cache.set_many(dict.fromkeys(keys, b"v"))

    def hits() -> None:
        get = cache.get
        for key in keys:
            get(key)

    def recorded() -> float:
        with tempfile.TemporaryDirectory() as folder, Recorder(folder, sample=0.01) as recorder:
            other: augury.Cache[int, bytes] = augury.Cache(100_000, record=recorder)
            other.set_many(dict.fromkeys(keys, b"v"))
            recorder.flush()

            def ask() -> None:
                get = other.get
                for key in keys:
                    get(key)
                recorder.flush()

            return cpu_ns(ask, len(keys))

    def row() -> float:
        with tempfile.TemporaryDirectory() as folder, Recorder(folder, sample=1.0) as recorder:
            other: augury.Cache[int, bytes] = augury.Cache(1_000, record=recorder)
            for key in keys[:60_000]:
                other.get(key)
            recorder.flush()
            written = recorder.stats().written
            return sum(file.stat().st_size for file in Path(folder).glob("*/*")) / written

    plain = median(lambda: cpu_ns(hits, len(keys)))
    return {
        "hit_ns": plain,
        "record_1_percent_ns": max(0.0, median(recorded) - plain),
        "log_row_bytes": row(),
    }


def of_learning() -> dict[str, float]:
    """Return what a model takes to learn, and as a file."""
    keys = drawn(200_000)
    started = time.process_time()
    model = augury.learn(keys, "gbm")
    return {
        "learn_cpu_seconds": time.process_time() - started,
        "artefact_bytes": float(len(model.to_bytes())),
    }


def of_tier() -> dict[str, float]:
    """Return what operations of a shared tier take: here, in the server, and on the network."""
    value = os.urandom(VALUE)
    keys = list(range(10_000))
    with valkey() as server, closing(Redis(server.url)) as tier:
        empty = _memory(server)
        for start in range(0, len(keys), 1_000):
            tier.set_many({key: Entry(value) for key in keys[start : start + 1_000]})
        stored = (_memory(server) - empty) / len(keys)

        def one_by_one() -> float:
            started = time.perf_counter()
            for key in keys[:1_000]:
                tier.get_many([key])
            return (time.perf_counter() - started) / 1_000

        sent, cpu = _sent(server), _cpu(server)
        round_trip = median(one_by_one)
        asked = 7 * 1_000
        sent, cpu = (_sent(server) - sent) / asked, (_cpu(server) - cpu) / asked
        many = median(lambda: cpu_ns(lambda: tier.get_many(keys[:1_000]), 1_000))
        with closing(Redis(server.url)) as listener, closing(listener.track()) as tracking:
            _wait(tracking)
            sent_before = _sent(server)
            tier.set_many({key: Entry(value) for key in keys[:1_000]})
            time.sleep(0.2)
            tracking.poll()
            told = (_sent(server) - sent_before) / 1_000
    serializer = Serializer()
    data = serializer.dumps(value)
    return {
        "tier_bytes_per_entry": stored,
        "tier_round_trip_us": round_trip * 1e6,
        "tier_server_cpu_us": cpu * 1e6,
        "tier_get_bytes": sent,
        "tier_get_many_client_us": many / 1e3,
        "invalidation_bytes": told,
        "decode_us": median(
            lambda: cpu_ns(lambda: [serializer.loads(data) for _ in range(10_000)], 10_000)
        )
        / 1e3,
    }


def _wait(tracking: Any) -> None:
    while not tracking.trusted:
        tracking.poll()
        time.sleep(0.01)


def _info(server: Valkey, section: str) -> dict[str, str]:
    text: Any = server.ask("INFO", section)
    if isinstance(text, dict):
        return {str(name): str(value) for name, value in text.items()}
    lines = (text.decode() if isinstance(text, bytes) else str(text)).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _memory(server: Valkey) -> float:
    return float(_info(server, "memory")["used_memory"])


def _sent(server: Valkey) -> float:
    return float(_info(server, "stats")["total_net_output_bytes"])


def _cpu(server: Valkey) -> float:
    info = _info(server, "cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def of_service() -> dict[str, float]:
    """Return how many entries a second a core serves by HTTP, from `benchmarks/service.py`."""
    script = Path(__file__).parents[1] / "service.py"
    done = subprocess.run(
        [sys.executable, str(script), "--seconds", "1", "--rounds", "3", "--json"],
        capture_output=True,
        check=True,
        text=True,
    )
    found = {row["contender"]: row["per_cpu_second"] for row in json.loads(done.stdout)}
    return {"service_gets_per_cpu_second": found["GET augury, token"]}


def measure() -> dict[str, float]:
    """Return all constants."""
    found = {"value": float(VALUE), "bytes_per_entry": bytes_per_entry()}
    for part in (of_cache, of_learning, of_tier, of_service):
        found |= part()
    return found
