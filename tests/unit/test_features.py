"""Rows of features: the native ones against the same computed plainly, and what may be in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augury import _native, read_trace
from augury.accesslog import Spool, requests_of
from augury.errors import ConfigurationError
from augury.features import FEATURES, UNKNOWN, rows, schema

NAMES = [feature.name for feature in FEATURES]
RECENT, USUAL = 10, 14


def level(x: int) -> float:
    """log2(1 + x), by straight lines, in eighths."""
    e = (x + 1).bit_length() - 1
    return e + ((((x + 1) << 3) >> e) & 7) / 8


def octaves(count: float) -> float:
    m, e = math.frexp(float(np.float32(1 + count)))
    return e + 2 * m - 2


def decayed(count: float, gap: int, half: int) -> float:
    left: float = 0.5 ** (gap >> half)
    return float(count * (1 - (gap % 2**half) / 2**half / 2) * left)


def quarter(time: int) -> int:
    return time % 86400 // 900


def cosine(quarters: int) -> float:
    return round(126 * math.cos(quarters / 96 * 2 * math.pi)) / 126


@dataclass
class Key:
    last: int
    first: int
    count: int = 1
    size: int = 0
    run: int = 0
    gaps: list[int] = field(default_factory=list)
    recent: float = 1.0
    usual: float = 1.0
    habit: int | None = None
    hour: int = 0


@dataclass
class Group:
    last: int
    rate: float = 1.0
    returns: float = 0.0
    gap: float = 16.0


class Reference:
    """What native/model/features.hpp does, without bounds, in plain Python."""

    def __init__(self) -> None:
        self.now = 0
        self.keys: dict[int, Key] = {}
        self.groups: dict[tuple[int, int], Group] = {}
        self.novelty = 1.0
        self.time = 0

    @staticmethod
    def groups_of(number: int) -> tuple[tuple[int, int], ...]:
        kin = 43 if number >> 63 else 24
        return tuple((bits, number >> bits) for bits in (4, 10, kin))

    def request(self, number: int, size: int, time: int) -> None:
        self.time = time
        below = self.keys.get(number - 1)
        run = min(below.run + 1, 254) if below and self.now - below.last <= 64 else 0
        key = self.keys.get(number)
        gap = None
        if key is None:
            key = self.keys[number] = Key(self.now, self.now, size=size, run=run)
        else:
            gap = self.now - key.last
            key.gaps = [gap, *key.gaps][:4]
            key.recent = 1 + decayed(key.recent, gap, RECENT)
            key.usual = 1 + decayed(key.usual, gap, USUAL)
            key.count += 1
            key.last, key.size, key.run = self.now, size, run
        away = time // 3600 - key.hour
        if gap is not None and time and away >= 12:
            key.habit = quarter(time)
        key.hour = time // 3600
        for name in self.groups_of(number):
            group = self.groups.get(name)
            if group is None:
                group = self.groups[name] = Group(self.now)
            else:
                group.rate = 1 + decayed(group.rate, self.now - group.last, USUAL)
                group.last = self.now
            group.returns += ((gap is not None) - group.returns) / 16
            if gap is not None:
                group.gap += (level(gap) - group.gap) / 16
        self.novelty += ((gap is None) - self.novelty) / 64
        self.now += 1

    def row(self, number: int, stay: float) -> list[float]:
        def since(state: Key | Group | None) -> float:
            return UNKNOWN if state is None else level(self.now - state.last) - stay

        key = self.keys[number]
        age = self.now - key.last
        row = [since(key)]
        row += [level(gap) - stay for gap in key.gaps] + [UNKNOWN] * (4 - len(key.gaps))
        row += [level(self.now - key.first) - stay, level(key.count)]
        row += [octaves(decayed(key.recent, age, RECENT)) + stay - RECENT]
        row += [octaves(decayed(key.usual, age, USUAL)) + stay - USUAL]
        row += [level(key.size), level(key.run)]
        row += [since(self.keys.get(number - 1)), since(self.keys.get(number + 1))]
        levels = []
        for name in self.groups_of(number):
            group = self.groups[name]
            rate = octaves(decayed(group.rate, self.now - group.last, USUAL)) + stay - USUAL
            levels.append([since(group), rate, group.returns, group.gap - stay])
        near, far, kin = levels
        row += [*near, *far, self.novelty, stay, *kin[2:]]
        for later in (0, 6 * 3600):
            row.append(0 if key.habit is None else cosine(quarter(self.time + later) - key.habit))
        return row


def trace(requests: int = 6000, keys: int = 100) -> list[int]:
    """Popular keys, runs and keys far apart."""
    random = np.random.default_rng(5)
    popular = (keys * random.random(requests) ** 3).astype(int)
    runs = np.arange(requests) // 3 % 60 + 5000
    kind = random.integers(3, size=requests)
    keys_asked: list[int] = np.where(
        kind == 0, runs, np.where(kind == 1, popular, popular * 1000)
    ).tolist()
    return keys_asked


@contextmanager
def timed_text(folder: Path, keys: list[int]) -> Iterator[tuple[Spool, list[int], list[int]]]:
    """The same as text, a request a minute."""
    texts = [f"user:{key}:profile" if key % 3 else f"/items/{key}?x=1" for key in keys]
    times = [1_700_000_000 + 60 * at for at in range(len(keys))]
    path = folder / "requests.csv"
    lines = [f"{time}.5,{text}" for time, text in zip(times, texts, strict=True)]
    path.write_text("\n".join(["time,key", *lines]))
    with Spool(read_trace(path)) as spool:
        yield spool, _native.key_numbers(list[Any](texts)).tolist(), times


@contextmanager
def plain_numbers(_: Path, keys: list[int]) -> Iterator[tuple[Spool, list[int], list[int]]]:
    with Spool(requests_of(keys)) as spool:
        yield spool, keys, [0] * len(keys)


@pytest.mark.parametrize("written", [plain_numbers, timed_text])
def test_native_rows_are_those_of_the_reference(
    written: Callable[
        [Path, list[int]], AbstractContextManager[tuple[Spool, list[int], list[int]]]
    ],
    tmp_path: Path,
) -> None:
    with written(tmp_path, trace()) as (spool, numbers, times):
        taken = rows(spool, sample=1.0, seed=3)
    assert len(taken.index) > 1000
    by_moment: dict[int, list[int]] = {}
    for at, moment in enumerate(taken.index.tolist()):
        by_moment.setdefault(moment, []).append(at)
    reference = Reference()
    compared = 0
    for moment, number in enumerate(numbers):
        for at in by_moment.get(moment, ()):
            row = taken.X[at].tolist()
            stay = row[NAMES.index("stay")]
            # The row does not name its key: it is one of those that the reference has the row of.
            age = row[0] + stay
            candidates = [k for k, s in reference.keys.items() if level(moment - s.last) == age]
            assert any(
                np.allclose(reference.row(each, stay), row, rtol=1e-5, atol=1e-4)
                for each in candidates
            ), (moment, dict(zip(NAMES, row, strict=True)))
            compared += 1
        reference.request(number, 0, times[moment])
    assert compared == len(taken.index)


def test_labels_are_the_requests_until_the_next() -> None:
    """Every key comes each 100 requests, so age and time to come add up to that."""
    with Spool(requests_of(list(range(100)) * 60)) as spool:
        taken = rows(spool, stop=5000)
    age = (
        np.exp2(taken.X[:, 0] + taken.X[:, NAMES.index("stay")]) - 1
    )  # within an eighth of an octave
    known = ~taken.censored
    to_come = np.exp2(taken.label) - 1
    assert np.all(np.abs(age + to_come - 100)[known] <= 16)
    assert np.all(taken.index[taken.censored] >= 4900)
    assert np.all(np.diff(taken.index.astype(np.int64)) >= 0)


def test_nothing_is_known_of_what_comes_later() -> None:
    keys = trace()
    other = keys[:3000] + [key + 1 for key in keys[3000:]]
    taken = []
    for each in (keys, other):
        with Spool(requests_of(each)) as spool:
            taken.append(rows(spool, stop=3000, sample=0.5))
    np.testing.assert_array_equal(taken[0].X, taken[1].X)
    np.testing.assert_array_equal(taken[0].label, taken[1].label)
    np.testing.assert_array_equal(taken[0].censored, taken[1].censored)


def test_rows_before_the_start_are_left_out() -> None:
    with Spool(requests_of(trace())) as spool:
        whole, part = rows(spool), rows(spool, start=2000)
        empty = rows(spool, stop=0)
    np.testing.assert_array_equal(whole.X[whole.index >= 2000], part.X)
    assert empty.X.shape == (0, len(FEATURES))


@pytest.mark.parametrize(
    "wrong", [{"start": 5, "stop": 3}, {"stop": 10**9}, {"sample": 0.0}, {"sample": 1.5}]
)
def test_refuses_what_makes_no_sense(wrong: dict[str, float]) -> None:
    with Spool(requests_of([1, 2, 3, 4])) as spool, pytest.raises(ConfigurationError):
        rows(spool, **wrong)  # type: ignore[arg-type]


def test_names_agree_with_the_native_row() -> None:
    assert len(FEATURES) == _native.FEATURES
    assert len(set(NAMES)) == len(NAMES)
    assert len(schema()) == 32


def test_native_rows_refuse_fewer_keys_than_before() -> None:
    """A row that is due later would read beyond them."""
    source = _native.FeatureRows(1.0, 8, 1, 0, 100)
    ids = np.arange(50, dtype=np.uint32)
    source.feed(ids, ids.astype(np.uint64))
    with pytest.raises(ValueError, match="fewer keys"):
        source.feed(np.zeros(500, np.uint32), np.zeros(1, np.uint64))
