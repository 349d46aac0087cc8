"""A live cache's curve is that of its reads."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from augury.accesslog import Chunk, Recorder
from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.sizing import LiveCurve, curve


def skewed(requests: int, keys: int) -> list[int]:
    drawn: list[int] = (keys * np.random.default_rng(1).random(requests) ** 2).astype(int).tolist()
    return drawn


@pytest.mark.parametrize("text", [False, True])
def test_is_the_curve_of_the_reads(tmp_path: Path, text: bool) -> None:
    keys = [f"user:{key}" if text else key for key in skewed(3_000, 400)]
    live, other = LiveCurve("one"), LiveCurve("two")

    def both(name: str, reads: Chunk) -> None:
        live(name, reads)
        other(name, reads)

    with Recorder(tmp_path, sample=1.0, listener=both) as recorder:
        cache: Cache[object, int] = Cache(10, policy="fifo", record=recorder.named("one"))
        for key in keys:
            if cache.get(key) is None:
                cache[key] = 1
        recorder.flush()
        found = live.curve()
    exact = curve(keys, method="exact")
    assert found.capacities.tolist() == exact.capacities.tolist()
    assert found.miss_ratios.tolist() == exact.miss_ratios.tolist()
    assert (live.requests, other.requests) == (3_000, 0)
    with pytest.raises(ConfigurationError, match="no read was recorded yet"):
        other.curve()


def test_of_a_share_of_the_keys() -> None:
    keys = np.array(skewed(400_000, 20_000), np.uint64)
    exact = curve(keys.tolist(), method="exact")
    live = LiveCurve(recorded=0.25, most_keys=2_000)
    taken = keys * np.uint64(0x9E3779B97F4A7C15) < np.uint64(2**62)
    for part in np.array_split(keys[taken], 20):
        live("cache", Chunk(part))
    found = live.curve()
    assert found.distinct == pytest.approx(20_000, rel=0.05)
    assert found.requests == pytest.approx(400_000, rel=0.1)
    assert 0.08 < found.rate < 0.12
    sizes = np.linspace(1_000, 20_000, 20)
    off = [abs(found.at(size) - exact.at(size)) for size in sizes]
    assert np.mean(off) < 0.02
    assert np.mean([o <= found.error_at(s) + 0.005 for o, s in zip(off, sizes, strict=True)]) > 0.7
    assert live.bytes < 2_000_000


def test_a_listener_that_fails_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_name: str, _reads: Chunk) -> None:
        raise RuntimeError("no")

    with (
        caplog.at_level(logging.ERROR, "augury.accesslog"),
        Recorder(tmp_path, sample=1.0, listener=fails) as recorder,
    ):
        cache: Cache[int, int] = Cache(10, record=recorder)
        cache.get(1)
        recorder.flush()
        cache.get(2)
        recorder.flush()
        assert recorder.stats().written == 2
    assert [record.message for record in caplog.records] == [
        "the listener failed, and is told nothing more"
    ]


@pytest.mark.parametrize(
    "wrong", [{"recorded": 0.0}, {"recorded": float("nan")}, {"most_keys": 0}], ids=str
)
def test_refusals(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        LiveCurve(**wrong)  # type: ignore[arg-type]


def test_a_listener_is_callable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="listener must be callable"):
        Recorder(tmp_path, listener=3)  # type: ignore[arg-type]
