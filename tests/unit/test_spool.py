"""A spool replays the requests that were read, as often as asked."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury import read_trace
from augury.accesslog import Chunk, InMemoryTrace, Spool, requests_of
from augury.errors import TraceError

NEVER = 2**63 - 1


class Sized(InMemoryTrace):
    """Requests with sizes and times, in chunks of three."""

    def __init__(self, keys: list[int], sizes: list[int]) -> None:
        super().__init__(np.array(keys, np.uint64), None)
        self._sizes = np.array(sizes, np.uint64)

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        for start in range(0, len(self), 3):
            part = slice(start, start + 3)
            times = np.arange(start, start + 3, dtype=np.float64)[: len(self._sizes[part])]
            yield Chunk(self._chunk.keys[part], self._sizes[part], times)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**40)), min_size=1, max_size=40))
def test_replays_what_was_read(requests: list[tuple[int, int]]) -> None:
    keys, sizes = [key for key, _ in requests], [size for _, size in requests]
    with Spool(Sized(keys, sizes)) as spool:
        for _ in range(2):
            (chunk,) = spool.chunks(next_access=True)
            assert spool.keys[chunk.ids].tolist() == keys
            assert chunk.sizes is not None
            assert chunk.sizes.tolist() == sizes
            assert chunk.next is not None
            for index, following in enumerate(chunk.next.tolist()):
                later = keys[index + 1 :]
                expected = index + 1 + later.index(keys[index]) if keys[index] in later else NEVER
                assert following == expected
        first = dict(reversed(requests))
        assert spool.footprint == sum(first.values())
        assert spool.distinct == len(first)
        assert spool.seconds == len(keys) - 1
        assert list(dict.fromkeys(keys)) == spool.keys.tolist()


def test_without_sizes_every_key_takes_one() -> None:
    with Spool(requests_of(["a", "b", "a"])) as spool:
        assert spool.footprint == 2
        assert not spool.sized
        assert spool.seconds is None


def test_sizes_beyond_64_bits_are_refused() -> None:
    with pytest.raises(TraceError, match="add up to more than 9,223,"):
        Spool(Sized([1] * 3000, [2**53] * 3000))


def test_spans_chunks() -> None:
    keys = np.random.default_rng(3).integers(0, 9_000, 700_000, dtype=np.uint64)
    with Spool(requests_of(keys)) as spool:
        chunks = list(spool.chunks(next_access=True))
        assert len(chunks) > 1
        ids = np.concatenate([chunk.ids for chunk in chunks])
        following = np.concatenate([c.next for c in chunks if c.next is not None])
    assert np.array_equal(spool.keys[ids], keys)
    known = following != NEVER
    assert np.array_equal(ids[known], ids[following[known]])
    assert known.sum() == len(keys) - spool.distinct


def test_keeps_whole_seconds(tmp_path: Path) -> None:
    times = [0.0, 1_700_000_000.9, -0.5, 2.0**32 + 7, 1.8e18]
    path = tmp_path / "requests.csv"
    path.write_text("\n".join(["time,key", *(f"{time!r},{time}" for time in times)]))
    with Spool(read_trace(path)) as spool:
        (chunk,) = spool.chunks()
        assert chunk.times is not None
        assert chunk.times.tolist() == [0, 1_700_000_000, 2**32 - 1, 7, int(1.8e18) % 2**32]
    with Spool(requests_of([1])) as spool:
        (chunk,) = spool.chunks()
        assert chunk.times is None


def test_says_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(TraceError, match=r"scratch file .*absent.*TMPDIR"):
        Spool(requests_of([1]))


def test_says_when_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(TraceError, match="No space left"):
        Spool(requests_of([1]))
    assert full.closed
