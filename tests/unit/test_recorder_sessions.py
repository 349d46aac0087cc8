"""Who asks for what, through a recorder and back."""

from __future__ import annotations

import asyncio
import enum
import gc
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import augury
from augury import keys
from augury.accesslog import NOBODY, Chunk, Recorder, Spool, read_trace
from augury.accesslog.digest import number_of_integer, number_of_text
from augury.errors import ConfigurationError
from tests.unit.recorded_files import files, rows

ADA = number_of_text("ada")
HUGE = 1 << 64


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path, sample=1.0) as recorder:
        yield recorder


def cache_of(recorder: Recorder) -> augury.Cache[Any, Any]:
    return augury.Cache(100, record=recorder)


def written(recorder: Recorder) -> list[int | None]:
    recorder.flush()
    return [row["session"] for row in rows(recorder.folder)]


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("who", "number"),
    [
        ("ada", ADA),
        (b"ada", ADA),
        ("", number_of_text("")),
        ("7", number_of_text("7")),
        ("\ud800", number_of_text("\ud800")),
        (Colour.RED, number_of_text("red")),
        (7, 7),
        (0, 0),
        (-1, number_of_integer(-1)),
        (-(2**63), number_of_integer(-(2**63))),
        (2**64 - 2, 2**64 - 2),
        (np.int64(7), 7),
    ],
)
def test_numbers(recorder: Recorder, who: Any, number: int) -> None:
    cache = cache_of(recorder)
    with augury.session(who):
        cache.get("profile")
    assert written(recorder) == [number]


@pytest.mark.parametrize(
    ("who", "message"),
    [
        (None, "not NoneType"),
        (1.0, "not float"),
        (float("nan"), "not float"),
        (True, "not bool"),
        (("a",), "not tuple"),
        (bytearray(b"a"), "not bytearray"),
        (NOBODY, "from -2\\*\\*63 to 2\\*\\*64 - 2"),
        (HUGE, "from -2\\*\\*63 to 2\\*\\*64 - 2"),
        (-(2**63) - 1, "from -2\\*\\*63 to 2\\*\\*64 - 2"),
    ],
)
def test_refuses(who: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message), augury.session(who):
        pytest.fail("is no session")


def test_nests_and_ends_by_errors_too(recorder: Recorder) -> None:
    cache = cache_of(recorder)
    cache.get(0)
    with augury.session(1):
        cache.get(1)
        with pytest.raises(ZeroDivisionError), augury.session(2):
            cache.get_or_load(2, lambda key: key / 0)
        cache.get(1)
    cache.get(0)
    assert written(recorder) == [None, 1, 2, 2, 1, None]


def test_every_kind_of_access(recorder: Recorder) -> None:
    cache = cache_of(recorder)
    with augury.session(5):
        cache.get_or_load("a", str.upper)
        cache["b"] = 1
        del cache["b"]
    assert written(recorder) == [5] * 5


def test_threads_have_their_own(recorder: Recorder) -> None:
    cache = cache_of(recorder)
    meet = threading.Barrier(4)

    def ask(who: int) -> None:
        with augury.session(who):
            for _ in range(20):
                meet.wait()
                cache.get(who)

    with augury.session(99):
        threads = [threading.Thread(target=ask, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    recorder.flush()
    assert all(row["session"] == row["number"] for row in rows(recorder.folder))


def test_tasks_have_their_own(recorder: Recorder) -> None:
    cache = cache_of(recorder)

    async def ask(who: int) -> None:
        with augury.session(who):
            for _ in range(20):
                cache.get(who)
                await asyncio.sleep(0)

    async def ask_all() -> None:
        with augury.session(7):
            await asyncio.gather(*map(ask, range(4)), asyncio.to_thread(cache.get, 7))

    asyncio.run(ask_all())
    recorder.flush()
    found = rows(recorder.folder)
    assert len(found) == 81
    assert all(row["session"] == row["number"] for row in found)


def test_beside_attributes(tmp_path: Path) -> None:
    variables = {str(i): ContextVar[Any](f"v{i}", default=i) for i in range(8)}
    with Recorder(tmp_path, sample=1.0, attributes=variables) as recorder:
        cache = cache_of(recorder)
        with augury.session("ada"):
            cache.get(1)
        for _ in range(3):
            cache.get(2)
    found = rows(tmp_path)
    assert [row["session"] for row in found] == [ADA, None, None, None]
    assert {row[f"attribute.{i}"] for row in found for i in range(8)} == set("01234567")


def test_read_back(recorder: Recorder) -> None:
    cache = cache_of(recorder)
    for key, who in enumerate(["ada", "bob", "ada"]):
        with augury.session(who):
            cache.get_or_load(key, lambda key: key)
    cache.get(9)
    recorder.flush()
    (chunk,) = read_trace(recorder.folder).chunks()
    assert chunk.sessions is not None
    assert chunk.sessions.tolist() == [ADA, number_of_text("bob"), ADA, NOBODY]
    with Spool(read_trace(recorder.folder)) as spool:
        assert spool.sessions == 3
        (spooled,) = spool.chunks()
        assert spooled.sessions is not None
        assert spooled.sessions.tolist() == [0, 1, 0, 2]


def test_without_sessions_a_trace_has_none(recorder: Recorder) -> None:
    cache_of(recorder).get(1)
    assert written(recorder) == [None]
    (chunk,) = read_trace(recorder.folder).chunks()
    assert chunk.sessions is None


def test_files_of_earlier_releases(recorder: Recorder) -> None:
    cache = cache_of(recorder)
    for key in (1, 2):
        with augury.session("ada"):
            cache.get(key)
        recorder.flush()
    (first, second) = files(recorder.folder)
    table = pq.read_table(first)
    pq.write_table(table.drop_columns(["session"]), first)
    (chunk,) = read_trace(first).chunks()
    assert (chunk.keys.tolist(), chunk.sessions) == ([1], None)
    with Spool(read_trace(recorder.folder)) as spool:
        (spooled,) = spool.chunks()
        assert spooled.sessions is not None
        assert spooled.sessions.tolist() == [0, 1]
    (chunk,) = read_trace(second).chunks()
    assert chunk.sessions is not None
    assert chunk.sessions.tolist() == [ADA]


def test_a_column_that_is_no_session(recorder: Recorder) -> None:
    cache_of(recorder).get(1)
    recorder.flush()
    (file,) = files(recorder.folder)
    table = pq.read_table(file)
    at = table.column_names.index("session")
    for wrong in (pa.array(["ada"]), pa.array([-1]), pa.array([float("nan")])):
        pq.write_table(table.set_column(at, "session", wrong), file)
        trace = read_trace(file)
        with pytest.raises(augury.AuguryError, match="corrupt"):
            list(trace.chunks())
        assert trace.malformed.count == 1


def test_pseudonyms(tmp_path: Path) -> None:
    secret = b"secret"
    with Recorder(tmp_path, sample=1.0, secret=secret) as recorder:
        cache = cache_of(recorder)
        for who in ("ada", b"ada", 7, "bob"):
            with augury.session(who):
                cache.get(1)
    ada, same, seven, bob = (row["session"] for row in rows(tmp_path))
    digest = keys.digest(b"ada", secret=secret)
    assert ada == same == int.from_bytes(digest[:8], "little")
    assert len({ada, seven, bob, 7, ADA}) == 5
    (file,) = files(tmp_path)
    assert b"ada" not in file.read_bytes()


def test_listeners_are_told(tmp_path: Path) -> None:
    told: list[Chunk] = []
    with Recorder(tmp_path, sample=1.0, listener=lambda _, chunk: told.append(chunk)) as recorder:
        cache = cache_of(recorder)
        with augury.session(3):
            cache.get("a")
        cache.get("b")
    sessions = [chunk.sessions for chunk in told]
    assert [one for known in sessions if known is not None for one in known.tolist()][:1] == [3]


def test_references_are_released(tmp_path: Path) -> None:
    who = "-".join(["a", "session"])
    before = sys.getrefcount(who)
    with Recorder(tmp_path, sample=1.0, ring=4) as recorder:
        cache = cache_of(recorder)
        with augury.session(who):
            for key in range(100):
                cache.get(key)
    del recorder, cache
    gc.collect()
    assert sys.getrefcount(who) == before
