"""Digests of rows, finding and storing them, against plain Python that does the same."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury import Cache, _native

Array = NDArray[Any]
Rows = NDArray[np.uint8]

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
SPACE = bytes(range(16))


def fold(a: int, b: int) -> int:
    return (a * b & WORD) ^ (a * b >> 64)


def mix(word: int) -> int:
    return fold(word ^ GOLDEN, 0xD6E8FEB86659FD93)


def digest(row: bytes, seed: int) -> tuple[int, int]:
    """Return what native/inference/row_digest.hpp says of a row, a word after the other."""
    secret = [mix((seed + (at + 1) * GOLDEN) & WORD) for at in range(32)]
    lanes = secret[24:]
    padded = row + bytes(-len(row) % 64)
    words = np.frombuffer(padded, "<u8").tolist()
    for stripe in range(len(words) // 8):
        step = stripe % 16
        for lane, word in enumerate(words[8 * stripe : 8 * stripe + 8]):
            keyed = word ^ secret[step + lane]
            lanes[lane ^ 1] += word
            lanes[lane] += (keyed & 0xFFFFFFFF) * (keyed >> 32)
        lanes = [lane & WORD for lane in lanes]
        if step == 15 and len(row) >= 64 * (stripe + 1):  # the end of a whole block
            keys = secret[16:24]
            lanes = [
                ((lane ^ (lane >> 47) ^ key) * 0x9E3779B1) & WORD
                for lane, key in zip(lanes, keys, strict=True)
            ]
    ends = []
    for which, start in ((0, len(row)), (1, ~len(row) & WORD)):
        total = start * 0x9E3779B185EBCA87
        for lane in range(0, 8, 2):
            key = secret[lane + 7 * which + 1 :]
            total += fold(lanes[lane] ^ key[0], lanes[lane + 1] ^ key[1])
        ends.append(mix(total & WORD))
    return ends[0], ends[1]


def laid_out(rows: Rows, layout: str) -> Rows:
    """Return the same rows, otherwise in memory."""
    if layout == "by column":
        return np.asfortranarray(rows)
    if layout == "backwards":
        return rows[::-1].copy()[::-1]
    if layout == "in part":
        return np.pad(rows, ((1, 2), (3, 1)))[1:-2, 3:-1]
    if layout == "unaligned":
        return np.frombuffer(b"x" + rows.tobytes(), np.uint8, offset=1).reshape(rows.shape)
    return rows


LAYOUTS = ["as it is", "by column", "backwards", "in part", "unaligned"]
WIDTHS = st.one_of(
    st.integers(0, 5000),
    st.builds(lambda size, more: max(size + more, 0), st.sampled_from([0, 8, 64, 1024, 2048, 4096]),
              st.integers(-1, 1)),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    WIDTHS,
    st.integers(0, 4),
    st.sampled_from(LAYOUTS),
    st.integers(0, WORD),
    st.sampled_from(["zeros", "ones", "any"]),
    st.integers(0, 2**32 - 1),
)
def test_digests_are_those_of_plain_python(
    width: int, count: int, layout: str, seed: int, filled: str, random: int
) -> None:
    rows = np.full((count, width), 0 if filled == "zeros" else 255, np.uint8)
    if filled == "any":
        rows = np.random.default_rng(random).integers(0, 256, (count, width), np.uint8)
    words = _native.digest_rows(laid_out(rows, layout), seed)
    expected = [digest(row.tobytes(), seed) for row in rows]
    assert words.tolist() == list(itertools.chain(*expected))


def expected_of(
    cache: Cache[Any, Any], digests: Array, width: int, rows: Rows | None
) -> tuple[list[int], list[int], dict[int, bytes]]:
    """Return what is missing, the source of each row, and the outputs found."""
    missing: list[int] = []
    source: list[int] = []
    found: dict[int, bytes] = {}
    first: dict[tuple[bytes, bytes], int] = {}
    for at in range(len(digests) // 2):
        key = SPACE + digests[2 * at : 2 * at + 2].tobytes()
        row = b"" if rows is None else rows[at].tobytes()
        before = first.setdefault((key, row), at)
        value: Any = cache.peek(key)
        if before != at:
            source.append(source[before])
        elif isinstance(value, bytes) and value == value[:width] + row and len(value) >= width:
            source.append(-1)
        else:
            source.append(len(missing))
            missing.append(at)
        if source[at] < 0:
            found[at] = value[:width]
    return missing, source, found


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[list[int], list[int]]]:
    """Numbers of rows, and for each its digest, which several rows may share."""
    batch = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=25)
    return [([row for row, _ in each], [low for _, low in each]) for each in draw(
        st.lists(batch, min_size=1, max_size=8)
    )]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    batches(),
    st.sampled_from([0, 1, 3, 64, 700]),
    st.sampled_from([0, 1, 5, 64, 900]),
    st.booleans(),
    st.sampled_from(LAYOUTS),
    st.sampled_from([1, 4, 1000]),
    st.sampled_from(["lru", "gdsf", "auto"]),
)
def test_rows_are_found_as_by_plain_python(
    asked: list[tuple[list[int], list[int]]],
    width: int,
    wide: int,
    verify: bool,
    layout: str,
    capacity: int,
    policy: str,
) -> None:
    cache: Cache[Any, Any] = Cache(capacity, policy=policy)
    held: dict[bytes, bytes] = {}
    pool = np.random.default_rng(width).integers(0, 256, (10, wide), np.uint8)
    for step, (chosen, lows) in enumerate(asked):
        rows = laid_out(pool[np.array(chosen, np.int64)], layout) if verify else None
        # A digest is of its row, and then of some others, too.
        digests = np.array([[low, 0 if verify else 7] for low in lows], np.uint64).reshape(-1)
        out = np.full((len(chosen), width), 170, np.uint8)
        missing, source, found = expected_of(cache, digests, width, rows)
        got_missing, got_source = _native.find_rows(cache, SPACE, digests, out, rows)
        assert got_missing.tolist() == missing
        assert got_source.tolist() == source
        for at, line in enumerate(out):
            assert line.tobytes() == found.get(at, b"\xaa" * width)
        outputs = np.full((len(missing), width), step, np.uint8)
        outputs[:, :1] = np.array(missing, np.uint8).reshape(-1, 1)
        _native.store_rows(cache, SPACE, digests, got_missing, outputs, rows)
        for at, output in zip(missing, outputs, strict=True):
            row = b"" if rows is None else rows[at].tobytes()
            held[SPACE + digests[2 * at : 2 * at + 2].tobytes()] = output.tobytes() + row
        kept = {key: cache.peek(key) for key in cache}
        assert kept.items() <= held.items()
        assert len(kept) == len(held) if capacity == 1000 else len(kept) <= capacity


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    cache: Cache[Any, Any] = Cache(10)
    digests, out = np.zeros(4, np.uint64), np.zeros((2, 3), np.uint8)
    first = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="as many rows"):
        _native.find_rows(cache, SPACE, digests, out[:1])
    with pytest.raises(ValueError, match="as many rows"):
        _native.find_rows(cache, SPACE, digests, out, out[:1])
    with pytest.raises(ValueError, match="16 bytes"):
        _native.find_rows(cache, b"", digests, out)
    with pytest.raises(ValueError, match="as many outputs"):
        _native.store_rows(cache, SPACE, digests, first, out)
    for row in (2, -1):
        with pytest.raises(IndexError):
            _native.store_rows(cache, SPACE, digests, np.array([row]), out[:1])
    with pytest.raises(TypeError):  # what is found would go into a copy
        _native.find_rows(cache, SPACE, digests, np.zeros((2, 6), np.uint8)[:, ::2])
    read_only = out.copy()
    read_only.setflags(write=False)
    with pytest.raises(TypeError):
        _native.find_rows(cache, SPACE, digests, read_only)
    assert len(cache) == 0
