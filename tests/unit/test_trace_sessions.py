"""Who asked, as far as each format knows."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from augury.accesslog import Chunk, InMemoryTrace, Spool, requests_of
from augury.accesslog.chunk import LONGEST, NOBODY
from augury.accesslog.digest import number_of, number_of_integer, number_of_text
from augury.errors import TraceError
from augury.sizing.miniature import SampledTrace
from augury.sizing.reading import Watched
from tests.unit.trace_files import read

ADA = number_of(b"ada")


def test_combined(tmp_path: Path) -> None:
    moment = b"[17/May/2015:10:05:03 +0000]"
    data = b"".join(
        b'%b %b "%b /%d HTTP/1.1" 200 7 "-" "-"\n' % (who, moment, method, i)
        for i, (who, method) in enumerate(
            [
                (b"1.2.3.4 - -", b"GET"),
                (b"1.2.3.4 - ada", b"GET"),
                (b"5.6.7.8 - -", b"POST"),
                (b"::1 - ada b", b"HEAD"),
                (b"example.org:443 1.2.3.4 - -", b"GET"),
                (b"- - -", b"GET"),
                (b"- - ada", b"GET"),
            ]
        )
    )
    found = read(tmp_path / "access.log", data)
    address = number_of(b"1.2.3.4")
    both, other = number_of(b"1.2.3.4 ada"), number_of(b"::1 ada b")
    assert found.sessions == [address, both, other, address, NOBODY, ADA]


def test_twitter(tmp_path: Path) -> None:
    data = b"0,a,b,1,2,3,get,0\n1,c,1,2,9,set,0\n2,c,1,2,,get,0\n3,c,1,2,ada,get,0\n"
    found = read(tmp_path / "cluster", data)
    assert found.names == ["a,b", "c", "c"]
    assert found.sessions == [3, NOBODY, ADA]


def test_monitor(tmp_path: Path) -> None:
    data = b"""1.0 [0 127.0.0.1:60866] "get" "a"
2.0 [0 [::1]:60866] "MGET" "b" "c"
3.0 [0 lua] "get" "d"
4.0 [2 unix:/tmp/a b.sock] "get" "e"
"""
    found = read(tmp_path / "monitor", data)
    six = number_of(b"[::1]:60866")
    socket = number_of(b"unix:/tmp/a b.sock")
    assert found.sessions == [number_of(b"127.0.0.1:60866"), six, six, NOBODY, socket]


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_csv(tmp_path: Path, quote: bytes) -> None:
    whos = [b"7", b"ada", b"", b"-5", b"nan", b"07", b"%d" % NOBODY]
    data = b"key,Client IP,user\n" + b"".join(
        b"%b%d%b,x,%b\n" % (quote, i, quote, who) for i, who in enumerate(whos)
    )
    found = read(tmp_path / "t.csv", data)
    texts = [number_of(b"-5"), number_of(b"nan"), number_of(b"07")]
    assert found.sessions == [7, ADA, NOBODY, *texts, NOBODY]
    found = read(tmp_path / "t.csv", data, columns={"session": "Client IP"})
    assert found.sessions == [number_of(b"x")] * len(whos)


def test_malformed_lines_take_their_sessions_along(tmp_path: Path) -> None:
    data = b"key,size,client\na,1,1\nb,x,2\n,1,3\nc,1,4\n"
    found = read(tmp_path / "t.csv", data, max_malformed=1.0)
    assert (found.names, found.sessions) == (["a", "c"], [1, 4])


def test_a_column_has_one_role(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", b"id,client\n1,a\n", columns={"key": "client"})
    assert (found.names, found.sessions) == (["a"], [])


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        (pa.array([7, None, 2**64 - 2], pa.uint64()), [7, NOBODY, 2**64 - 2]),
        (pa.array([-5, 7, 7], pa.int32()), [number_of(b"-5"), 7, 7]),
        (pa.array([3.0, float("nan"), None]), [3, NOBODY, NOBODY]),
        (pa.array(["ada", None, "7"]), [ADA, NOBODY, 7]),
        (pa.array(["ada", "ada", None]).dictionary_encode(), [ADA, ADA, NOBODY]),
        (pa.nulls(3), [NOBODY] * 3),
        (pa.array([True, False, None]), []),
        (pa.array([{"name": "ada"}] * 3), []),
        (pa.array([[1]] * 3), []),
    ],
)
def test_parquet(tmp_path: Path, sessions: Any, expected: list[int]) -> None:
    path = tmp_path / "t"
    assert read(path, parquet_of({"key": [1, 2, 3], "user": sessions})).sessions == expected


def test_parquet_malformed(tmp_path: Path) -> None:
    data = parquet_of({"key": [1, 2, 3], "session": [1.0, 0.5, float("inf")]})
    found = read(tmp_path / "t", data, max_malformed=1.0)
    assert (found.keys, found.sessions) == ([1], [1])
    assert "its session is no whole number" in found.malformed.examples[0].reason
    with pytest.raises(TraceError, match="session column has type bool; it must be an integer or"):
        read(
            tmp_path / "t",
            parquet_of({"key": [1], "x": [True]}),
            columns={"session": "x"},
        )


def parquet_of(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def sessions_in(trace: InMemoryTrace) -> list[int]:
    chunks = list(trace.chunks())
    return [one for c in chunks if c.sessions is not None for one in c.sessions.tolist()]


def test_in_memory() -> None:
    found = sessions_in(requests_of(range(5), sessions=[7, -7, "7", None, "ada"]))
    assert found == [7, number_of_integer(-7), number_of_text("7"), NOBODY, ADA]


def test_in_memory_from_arrays() -> None:
    keys = np.arange(2 * LONGEST + 3)
    assert sessions_in(requests_of(keys, sessions=keys % 5)) == (keys % 5).tolist()
    negative = requests_of([1, 2], sessions=np.array([-1, 3]))
    assert sessions_in(negative) == [number_of_integer(-1), 3]
    assert sessions_in(requests_of([1])) == []


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([1], "there are 1 sessions and 2 keys"),
        ([1, 2, 3], "there are 3 sessions and 2 keys"),
        ([1, float("nan")], "a session of a trace is an integer or a string, not float"),
        (np.array([1.0, np.nan]), "a session of a trace is an integer or a string, not float"),
        ([1, b"x"], "a session of a trace is an integer or a string, not bytes"),
        ("ab", "one by one"),
        (np.zeros((2, 1), int), "an array of sessions has 1 dimension"),
    ],
)
def test_in_memory_refuses(sessions: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        requests_of([1, 2], sessions=sessions)


class Mixed(InMemoryTrace):
    """Chunks of which some know who asked."""

    def __init__(self, parts: list[tuple[list[int], list[int] | None]]) -> None:
        super().__init__(np.array([key for keys, _ in parts for key in keys], np.uint64))
        self._parts = parts

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        for keys, sessions in self._parts:
            known = None if sessions is None else np.array(sessions, np.uint64)
            yield Chunk(np.array(keys, np.uint64), sessions=known)


def spooled(trace: InMemoryTrace) -> tuple[int, list[int] | None]:
    with Spool(trace) as spool:
        parts = [chunk.sessions for chunk in spool.chunks()]
        known = [part for part in parts if part is not None]
        assert len(known) in (0, len(parts))
        assert {part.dtype for part in known} <= {np.dtype(np.uint32)}
        return spool.sessions, np.concatenate(known).tolist() if known else None


def test_spool_numbers_them_in_order_of_first_appearance() -> None:
    assert spooled(requests_of([1, 2, 1, 3], sessions=[9, 5, "x", 5])) == (3, [0, 1, 2, 1])
    assert spooled(requests_of([1, 2, 1])) == (0, None)


def test_spool_of_nothing() -> None:
    with Spool(Mixed([])) as spool:
        assert (spool.requests, spool.sessions, spool.numbered) == (0, 0, False)


def test_spool_of_mixed_chunks() -> None:
    trace = Mixed([([1, 2], None), ([3], [8]), ([4, 5], None), ([6, 7], [NOBODY, 8]), ([8], [3])])
    assert spooled(trace) == (3, [0, 0, 1, 0, 0, 0, 1, 2])
    late = Mixed([(list(range(200_000)), None), ([1], [4])])
    assert spooled(late) == (2, [0] * 200_000 + [1])


def test_samples_keep_them() -> None:
    keys = np.random.default_rng(5).integers(0, 2_000, 5_000)
    sampled = SampledTrace(Watched(requests_of(keys, sessions=keys * 3), False), 0.3, seed=1)
    chunks = list(sampled.chunks())
    assert 0 < sum(map(len, chunks)) < len(keys)
    for chunk in chunks:
        assert chunk.sessions is not None
        assert np.array_equal(chunk.sessions, chunk.keys * np.uint64(3))


@pytest.mark.parametrize(
    ("keys", "numbered"),
    [
        (["a", "b"], False),
        ([5, "b", 9], False),
        ([5, 9, 1], True),
        ([4], False),
        ([7, 8, 7, 9, 7], False),
        ([*range(2**64 - 3, 2**64), *range(5)], False),  # begins anew at 0
        ([*range(100, 299), 5], False),
        ([*range(100, 200), *range(300, 305)], True),
        ([3, 2, 1], True),
    ],
)
def test_spool_tells_whether_numbers_mean_something(keys: list[int], numbered: bool) -> None:
    with Spool(requests_of(keys)) as spool:
        assert spool.numbered is numbered
