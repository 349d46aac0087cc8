"""What was requested is what is read back, up to sampling and counted drops."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import augury
from augury.accesslog import Recorder, requests_of
from tests.unit.recorded_files import read, rows

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 5), st.text(max_size=5))
STEPS = st.lists(
    st.tuples(st.sampled_from(["get", "set", "delete", "load", "flush"]), KEYS), max_size=60
)


def numbers(keys: list[Any]) -> list[int]:
    return [n for chunk in requests_of(keys).chunks() for n in chunk.keys.tolist()] if keys else []


@settings(max_examples=40, deadline=None)
@given(STEPS, st.sampled_from([0.3, 1.0]), st.sampled_from([4, 1000]))
def test_what_was_requested_is_read_back(
    steps: list[tuple[str, Any]], sample: float, ring: int
) -> None:
    reads: list[Any] = []
    accesses = 0
    with tempfile.TemporaryDirectory() as name:
        with Recorder(name, sample=sample, ring=ring) as recorder:
            cache: augury.Cache[Any, Any] = augury.Cache(3, record=recorder)
            for step, key in steps:
                match step:
                    case "get":
                        cache.get(key)
                    case "set":
                        cache[key] = key
                    case "delete":
                        cache.delete(key)
                    case "load":
                        misses = cache.stats().misses
                        cache.get_or_load(key, lambda key: key)
                        accesses += 2 * (cache.stats().misses - misses)  # the load, and its set
                    case "flush":
                        recorder.flush()
                        continue
                accesses += 1
                if step in ("get", "load"):
                    reads.append(key)
        stats = recorder.stats()
        assert stats.waiting == stats.failed == 0
        assert stats.sampled == stats.written + stats.dropped + stats.refused
        found: list[int] = []
        if any(row["operation"] == "get" for row in rows(Path(name))):
            found, malformed = read(Path(name))
            assert malformed.count == malformed.duplicates == malformed.clock_jumps == 0
    expected = numbers(reads)
    if sample == 1.0:
        assert stats.sampled == accesses
    if stats.dropped == stats.refused == 0:
        sampled = set(found)
        assert found == [key for key in expected if key in sampled]
        assert sample < 1.0 or found == expected
    else:
        rest = iter(expected)
        assert all(key in rest for key in found)  # a subsequence


def test_threads(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, rotate_bytes=100_000) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(50, record=recorder)

        def work(first: int) -> None:
            for key in range(first, first + 5_000):
                cache.get(key)
                cache.get_or_load(key % 100, lambda key: key)
                if key % 1_000 == 0:
                    recorder.flush()

        threads = [threading.Thread(target=work, args=(n * 5_000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stats = recorder.stats()
    assert stats.waiting == 0
    assert stats.sampled == stats.written + stats.dropped
    found, malformed = read(tmp_path)
    assert malformed.duplicates == malformed.count == malformed.clock_jumps == 0
    assert malformed.total == stats.written
    if not stats.dropped:
        assert len(found) == 40_000
        distinct, counts = np.unique(found, return_counts=True)
        assert len(distinct) == 20_000
        assert counts[:100].sum() == 20_100
