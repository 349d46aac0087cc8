"""Traces of keys in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.accesslog import requests_of
from augury.errors import TraceError

KEYS = st.one_of(st.integers(), st.integers(0, 9), st.text(max_size=3), st.booleans())


def numbers(keys: Any) -> list[int]:
    return [number for chunk in requests_of(keys).chunks() for number in chunk.keys.tolist()]


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1))
def test_equal_keys_are_equal_numbers(keys: list[Any]) -> None:
    found = numbers(iter(keys))
    pairs = set(zip(keys, found, strict=True))
    assert len({key for key, _ in pairs}) == len({number for _, number in pairs}) == len(pairs)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_arrays_as_lists(keys: list[int]) -> None:
    assert numbers(np.array(keys)) == numbers(keys)


def test_integers_are_themselves() -> None:
    assert numbers([0, 2**64 - 1, True]) == [0, 2**64 - 1, 1]
    assert numbers(np.array([5, 6], np.uint8)) == [5, 6]


def test_names() -> None:
    [chunk] = requests_of(["7", "é", "\ud800"]).chunks()
    assert chunk.names == ["7", "é", "\ud800"]
    [chunk] = requests_of([7, -8]).chunks()
    assert chunk.names is None


def test_again_from_the_beginning_in_chunks() -> None:
    trace = requests_of(range(300_000))
    shares: list[float] = []
    for _ in range(2):
        chunks = list(trace.chunks(progress=shares.append))
        assert np.array_equal(np.concatenate([c.keys for c in chunks]), np.arange(300_000))
        assert max(map(len, chunks)) <= 2**18
    assert shares[-1] == 1.0
    assert (len(trace), trace.path, trace.format) == (300_000, None, "memory")


@pytest.mark.parametrize(
    "keys",
    [
        *([], np.array([], np.int64), [1.5], [None], [b"x"], ["a", ("b",)]),
        *(np.array([[1, 2], [1, 2]]), np.array([[-1], [2]]), np.array(5), np.array(-5)),
        *([10**5000], [-(10**5000), "a"]),
    ],
    ids=lambda keys: type(keys).__name__,
)
def test_refuses(keys: Any) -> None:
    with pytest.raises(TraceError):
        requests_of(keys)


@pytest.mark.parametrize("name", ["trace.csv", b"trace.csv", bytearray(b"t"), Path("trace.csv")])
def test_a_string_is_no_list_of_keys(name: Any) -> None:
    with pytest.raises(TraceError, match="read_trace"):
        requests_of(name)
