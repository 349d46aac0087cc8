"""What a cached model says of itself."""

import threading

import numpy as np
import pytest

from augury import Cache
from augury.inference import CachedModel, InferenceStats


def test_every_row_is_counted_once() -> None:
    cached = CachedModel(lambda rows: rows.sum(axis=1), Cache(100), bypass=False)
    cached(np.array([[1.0], [2.0], [1.0]]))
    cached(np.array([[2.0], [3.0]]))
    stats = cached.stats
    assert (stats.batches, stats.rows) == (2, 5)
    assert (stats.hits, stats.duplicates, stats.computed, stats.skipped) == (1, 1, 3, 0)
    assert stats.hit_ratio == 0.4


def test_what_is_not_looked_up_is_counted_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = CachedModel(lambda rows: rows.sum(axis=1), Cache(100))
    cached(np.array([[1.0], [2.0]]))
    monkeypatch.setattr("augury.inference.bypass.Bypass.note", lambda *args, **counts: None)
    assert cached._main._bypass is not None
    cached._main._bypass.looks_up = False
    cached(np.array([[5.0], [6.0], [7.0]]))
    assert cached.stats.computed == 5
    assert cached.stats.skipped == 3


def test_nothing_is_said_to_be_saved_before_the_model_has_run() -> None:
    stats = InferenceStats()
    stats.add(10, hits=10, cache=0.5)
    assert stats.saved_seconds == 0.0
    stats.add(10, computed=10, model=20.0, cache=0.5)
    assert stats.saved_seconds == 19.0


def test_figures_by_name_are_numbers() -> None:
    assert set(map(type, InferenceStats().as_dict().values())) == {int, float}
    assert InferenceStats().as_dict()["hit_ratio"] == 0.0


def test_threads_lose_no_count() -> None:
    stats = InferenceStats()

    def count() -> None:
        for _ in range(2_000):
            stats.add(3, hits=2, computed=1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (stats.batches, stats.rows, stats.hits, stats.computed) == (8_000, 24_000, 16_000, 8_000)
