"""What a `Recorder` writes of what caches are asked for."""

from __future__ import annotations

import contextvars
import enum
import gc
import logging
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import augury
from augury import keys
from augury.accesslog import Recorder, RecorderStats
from augury.accesslog.record import metadata_of
from augury.errors import ConfigurationError, TraceError
from tests.unit.recorded_files import files, read, rows


def operations(folder: Path) -> list[tuple[Any, ...]]:
    return [
        (row["operation"], row["number"] if row["text"] is None else row["text"], row["hit"])
        for row in rows(folder)
    ]


def test_every_kind_of_access(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(10, record=recorder)
        cache.get(1)
        cache.set(1, "one")
        cache[1]
        cache[1] = "uno"
        del cache[1]
        assert cache.pop(1, None) is None
        cache.get_or_load("two", lambda key: key)
        cache.get_or_load("two", lambda key: key)
        cache.get_many([3, 4])
        cache.setdefault(5, "five")
        # None of these is a request.
        assert 5 in cache
        assert cache.peek(5) == "five"
        cache.clear()
    assert operations(tmp_path) == [
        ("get", 1, False),
        ("set", 1, False),
        ("get", 1, True),
        ("set", 1, True),
        ("delete", 1, True),
        ("delete", 1, False),
        ("get", "two", False),
        ("load", "two", True),
        ("set", "two", False),
        ("get", "two", True),
        ("get", 3, False),
        ("get", 4, False),
        ("get", 5, False),
        ("set", 5, False),
    ]
    found = rows(tmp_path)
    assert [row["sequence"] for row in found] == list(range(len(found)))
    times = [row["time"] for row in found]
    assert times == sorted(times)
    assert [row["latency"] is not None for row in found] == [
        row["operation"] == "load" for row in found
    ]


def test_failed_loads_and_remembered_errors(tmp_path: Path) -> None:
    def fail(key: object) -> None:
        raise KeyError(key)

    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[int, None] = augury.Cache(10, record=recorder)
        for _ in range(2):
            with pytest.raises(KeyError):
                cache.get_or_load(1, fail, negative_ttl=60)
    assert operations(tmp_path) == [("get", 1, False), ("load", 1, False), ("get", 1, True)]


def test_expired_entries_are_misses(tmp_path: Path) -> None:
    now = 0.0
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, ttl=1, clock=lambda: now, record=recorder)
        cache[1] = 1
        now = 2.0
        assert cache.get(1) is None
        cache[1] = 1
        now = 4.0
        assert not cache.delete(1)
    assert [hit for _, _, hit in operations(tmp_path)] == [False, False, False, False]


def test_sizes(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[int, str] = augury.Cache(
            10, weigher=lambda _, v: len(v), record=recorder
        )
        cache.get(1)
        cache[1] = "four"
        cache.get(1)
        cache[2] = "more than ten"  # too heavy for the cache
        cache.get(2)
        cache.get(3)
    assert [row["size"] for row in rows(tmp_path)] == [None, 4, 4, 13, None, None]
    (chunk,) = augury.read_trace(tmp_path).chunks()
    assert chunk.sizes is not None
    assert chunk.sizes.tolist() == [4, 4, 0, 0]


def test_without_a_weigher_a_trace_has_no_sizes(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
        cache[1] = 1
        cache.get(1)
    (chunk,) = augury.read_trace(tmp_path).chunks()
    assert chunk.sizes is None
    assert chunk.names is None


class Colour(enum.StrEnum):
    RED = "red"


def test_keys(tmp_path: Path) -> None:
    asked: list[Any] = [
        *(7, True, 2.0, np.int64(8), 2**64 - 1),
        *("7", "", "ключ", Colour.RED),
        *(-1, 2**64, 1.5, "\ud800", b"7", (1, "a"), None),
    ]
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(10, record=recorder)
        for key in asked:
            cache.get(key)
    found = rows(tmp_path)
    assert [row["number"] for row in found[:5]] == [7, 1, 2, 8, 2**64 - 1]
    assert [row["text"] for row in found[5:9]] == ["7", "", "ключ", "red"]
    assert [row["digest"] for row in found[9:]] == [keys.digest(key) for key in asked[9:]]
    for row in found:
        assert sum(row[name] is not None for name in ("number", "text", "digest")) == 1
    (chunk,) = augury.read_trace(tmp_path).chunks()
    assert len(set(chunk.keys.tolist())) == len(asked)
    assert chunk.names is not None
    assert chunk.names[:9] == ["7", "1", "2", "8", str(2**64 - 1), "7", "", "ключ", "red"]


def test_memoised_calls(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(10, record=recorder)

        @augury.cached(cache)
        def double(x: int) -> int:
            return 2 * x

        for x in (1, 2, 1):
            double(x)
    found = [row for row in rows(tmp_path) if row["operation"] == "get"]
    assert [row["hit"] for row in found] == [False, False, True]
    assert found[0]["digest"] == found[2]["digest"] != found[1]["digest"]


def test_keys_without_an_encoding_are_counted(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(10, record=recorder)
        cache.get(object())
        cache.get(1)
        recorder.flush()
        stats = recorder.stats()
    assert stats == RecorderStats(2, 1, 0, 0, 1, 0, 1)
    keys, malformed = read(tmp_path)
    assert (keys, malformed.unrecorded) == ([1], 1)


def test_pseudonyms(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, secret=b"key") as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(10, record=recorder)
        for key in (7, "user:Ada", ("user", "Ada")):
            cache.get(key)
    expected = [keys.digest(key, secret=b"key") for key in (7, "user:Ada", ("user", "Ada"))]
    found = rows(tmp_path)
    assert [row["digest"] for row in found] == expected
    assert all(row["number"] is None and row["text"] is None for row in found)
    (file,) = files(tmp_path)
    assert b"Ada" not in file.read_bytes()
    assert metadata_of(file, pq.read_schema(file).metadata).pseudonymised


def test_sampling_takes_all_accesses_of_some_keys(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=0.1) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(100, record=recorder)
        for _ in range(3):
            for key in range(20_000):
                cache.get(key)
    found, _ = read(tmp_path)
    distinct, counts = np.unique(found, return_counts=True)
    assert set(counts.tolist()) == {3}
    assert 1_700 < len(distinct) < 2_300


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_none_and_all(tmp_path: Path, sample: float) -> None:
    with Recorder(tmp_path, sample=sample) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(100, record=recorder)
        for key in range(1000):
            cache.get(key)
    assert recorder.stats().written == 1000 * sample


def test_attributes(tmp_path: Path) -> None:
    tenant: contextvars.ContextVar[object] = contextvars.ContextVar("tenant")
    attributes: dict[str, Any] = {
        "tenant": tenant,
        "namespace": lambda key: key.partition(":")[0],
    }
    with Recorder(tmp_path, sample=1.0, secret=b"s", attributes=attributes) as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(100, record=recorder)
        cache.get("user:1")
        tenant.set("ada")
        cache.get("page:1")
        contextvars.Context().run(cache.get, 5)  # of which no part is a namespace
        tenant.set(12)
        cache.get("user:2")
    found = rows(tmp_path)
    assert [row["attribute.tenant"] for row in found] == [None, "ada", None, "12"]
    assert [row["attribute.namespace"] for row in found] == ["user", "page", None, "user"]


def test_several_caches(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        one: augury.Cache[int, int] = augury.Cache(10, record=recorder.named("one"))
        two: augury.Cache[int, int] = augury.Cache(10, record=recorder.named("two"))
        for key in (1, 2, 3):
            one.get(key)
            two.get(-key % 10)
    assert read(tmp_path / "one")[0] == [1, 2, 3]
    assert read(tmp_path / "two")[0] == [9, 8, 7]
    assert [row["sequence"] for row in rows(tmp_path / "two")] == [0, 1, 2]
    with pytest.raises(TraceError, match=r"logs of 2 caches.*one, two"):
        read(tmp_path)


def test_caches_without_a_name(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        for _ in range(2):
            augury.Cache[int, int](10, record=recorder).get(1)
        augury.Cache[int, int](10, record=recorder.named("cache")).get(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "cache-2"]
    assert read(tmp_path / "cache")[0] == [1, 2]


def test_rotation_by_bytes_and_keep(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, rotate_bytes=1, keep=3) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
        for key in range(5):
            cache.get(key)
            recorder.flush()
        recorder.flush()  # of nothing
    assert recorder.stats().files == 5
    assert read(tmp_path)[0] == [2, 3, 4]
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_dropped_accesses_are_counted(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, ring=10) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
        cache.get_many(range(100_000))  # without giving up the GIL for long
        recorder.flush()
        stats = recorder.stats()
    assert stats.sampled == 100_000
    assert stats.dropped > 0
    assert stats.written + stats.dropped == 100_000
    _, malformed = read(tmp_path)
    assert malformed.unrecorded == stats.dropped


@pytest.mark.parametrize(
    "options",
    [
        {"sample": -0.1},
        {"sample": 1.1},
        {"sample": float("nan")},
        {"sample": "1"},
        {"secret": b""},
        {"secret": "text"},
        {"secret": b"x" * 65},
        {"rotate_bytes": 0},
        {"rotate_bytes": 1.5},
        {"rotate_seconds": 0},
        {"keep": 0},
        {"ring": 0},
        {"ring": True},
        {"attributes": {"a": 1}},
        {"attributes": {"a b": str}},
        {"attributes": {f"v{i}": contextvars.ContextVar(f"v{i}") for i in range(9)}},
    ],
    ids=lambda options: str(options)[:40],
)
def test_impossible_parameters(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Recorder(tmp_path, **options)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "x" * 101, 7])
def test_impossible_names(tmp_path: Path, name: Any) -> None:
    with Recorder(tmp_path) as recorder, pytest.raises(ConfigurationError, match="name"):
        recorder.named(name)


def test_folders_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file.*cannot record there"):
        Recorder(tmp_path / "file" / "log")
    with Recorder(tmp_path) as recorder, pytest.raises(ConfigurationError, match="cannot record"):
        augury.Cache(10, record=recorder.named("file"))


def test_closed_recorders(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, sample=1.0)
    cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
    recorder.close()
    recorder.close()
    recorder.flush()
    cache.get(1)
    assert recorder.stats().sampled == 0
    with pytest.raises(ConfigurationError, match="closed"):
        augury.Cache(10, record=recorder)
    with pytest.raises(ConfigurationError, match="Recorder"):
        augury.Cache(10, record=tmp_path)  # type: ignore[arg-type]


def test_files_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
        folder = tmp_path / "cache"
        folder.rmdir()
        with caplog.at_level(logging.WARNING, "augury.accesslog"):
            for key in range(2):
                cache.get(key)
                recorder.flush()
        folder.mkdir()
        cache.get(2)
        recorder.flush()
        assert recorder.stats() == RecorderStats(3, 1, 0, 0, 0, 2, 1)
    assert len(caplog.records) == 1
    keys, malformed = read(tmp_path)
    assert (keys, malformed.unrecorded) == ([2], 2)


class Fragile:
    """A key whose last reference runs code that uses the cache."""

    cache: augury.Cache[Any, Any]

    def __hash__(self) -> int:
        return 5

    def __del__(self) -> None:
        self.cache.get("from the finaliser")


def test_keys_whose_finaliser_uses_the_cache(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, ring=4) as recorder:
        cache: augury.Cache[Any, Any] = augury.Cache(2, record=recorder)
        Fragile.cache = cache
        for _ in range(50):
            cache.get(Fragile())
        recorder.flush()
        recorder.flush()
        stats = recorder.stats()
        assert stats.refused + stats.dropped + stats.written + stats.waiting == stats.sampled >= 100
    del Fragile.cache


def test_a_ring_does_not_keep_a_cycle_alive(tmp_path: Path) -> None:
    class Key:
        pass

    recorder = Recorder(tmp_path, sample=1.0)
    cache: augury.Cache[Any, Any] = augury.Cache(10, record=recorder)
    key = Key()
    key.cache = cache  # type: ignore[attr-defined]
    cache.get(key)
    gone = weakref.ref(cache), weakref.ref(recorder)
    thread = recorder._thread._thread
    del cache, key, recorder
    thread.join(0.01)
    for _ in range(100):
        gc.collect()
        thread.join(0.1)
        if not thread.is_alive():
            break
    gc.collect()
    assert [each() for each in gone] == [None, None]
    assert not thread.is_alive()
