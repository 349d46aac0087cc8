"""The format is a promise: these bytes never change while the format's first byte is 1."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from augury import keys


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Color(enum.Enum):
    RED = 1


HERE = Point.__module__
N = len(HERE)

GOLDEN: list[tuple[Any, str]] = [
    (None, "n"),
    (True, "t"),
    (False, "f"),
    (0, "i0;"),
    (-255, "i-ff;"),
    (2**70, "i400000000000000000;"),
    (1.0, "d\0\0\0\0\0\0\xf0?"),
    (float("nan"), "d\0\0\0\0\0\0\xf8\x7f"),
    (1j, "c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0?"),
    ("é", "s2:\xc3\xa9"),
    (b"\xff", "b1:\xff"),
    ((1, "a"), "(i1;s1:a)"),
    ([1, []], "[i1;[]]"),
    ({"b": 1, "a": 2, 3: 4}, "{i3;i4;s1:ai2;s1:bi1;}"),
    ({2, 1}, "<i1;i2;>"),
    (frozenset({1}), "@9:frozenset<i1;>"),
    (bytearray(b"a"), "@9:bytearrayb1:a"),
    (memoryview(b"a"), "@10:memoryview(s1:B(i1;)b1:a)"),
    (range(1, 6, 2), "@5:range(i3;i1;i3;)"),
    (slice(1, None), "@5:slice(i1;nn)"),
    (..., "@8:Ellipsisn"),
    (int, "@5:classs12:builtins:int"),
    (dt.datetime(2026, 1, 2, 3), "@17:datetime.datetimes19:2026-01-02T03:00:00"),
    (dt.date(2026, 1, 2), "@13:datetime.dates10:2026-01-02"),
    (dt.timedelta(seconds=1), "@18:datetime.timedeltaif4240;"),
    (dt.UTC, "@17:datetime.timezone@18:datetime.timedeltai0;"),
    (Decimal("1.50"), "@15:decimal.Decimals4:1.50"),
    (PurePosixPath("a/b"), "@21:pathlib.PurePosixPaths3:a/b"),
    (uuid.UUID(int=0), "@9:uuid.UUIDb16:" + "\0" * 16),
    (Point(1, 0.0), f"@{N + 6}:{HERE}:Point{{s1:xi1;s1:yd" + "\0" * 8 + "}"),
    (Color.RED, f"@{N + 6}:{HERE}:Colors3:RED"),
    (np.float32(1), "@12:numpy.scalar(s3:<f4()b4:\0\0\x80?)"),
    (np.array([[1, 2]], ">i2"), "@13:numpy.ndarray(s3:<i2(i1;i2;)b4:\x01\0\x02\0)"),
    (np.array(["a", None], object), "@13:numpy.ndarray(s2:|O(i2;)[s1:an])"),
    (
        np.array([(1, True)], [("a", "i1"), ("b", "?")]),
        "@13:numpy.ndarray(((s1:as3:|i1)(s1:bs3:|b1))(i1;)b1:\x01b1:\x01)",
    ),
]


@pytest.mark.parametrize(
    ("value", "expected"), GOLDEN, ids=lambda part: repr(part)[:30].partition(" at 0x")[0]
)
def test_encoding(value: Any, expected: str) -> None:
    assert keys.encode(value) == b"\x01" + expected.encode("latin-1")


def frames() -> Iterator[tuple[str, Any]]:
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = {"i": [1, 2], "s": ["a", None]}
    yield (
        "frame",
        pd.DataFrame(frame, columns=pd.Index(["i", "s"], dtype=object)).astype({"s": "string"}),
    )
    yield "category", pd.Series(pd.Categorical(["a", "b"]).rename_categories([1, 2]))
    yield "nullable", pd.Series(pd.array([1, None], dtype="Int64"), name="x")
    yield "index", pd.date_range("2026", periods=2, tz="UTC", unit="ns")
    yield "polars", pl.DataFrame({**frame, "t": [dt.datetime(2026, 1, 2), None]})


FRAMES = {
    "frame": "a44bc5aa5863615ec4e5b13de75b1149",
    "category": "9ac187f2430fefba3f895891a9083ede",
    "nullable": "268f2033466061c2a39c96cfe39160be",
    "index": "fddaeb9651436de48829ef3bafe454b1",
    "polars": "1fe3b9e554fa4368cb3199b12fb2dc20",
}


def test_digests_of_frames() -> None:
    assert {name: keys.digest(value).hex() for name, value in frames()} == FRAMES


def test_digests_of_tensors() -> None:
    torch = pytest.importorskip("torch")
    assert keys.digest(torch.arange(3.0)).hex() == "008262c32a60e6e6ba564691491bc13d"
    assert (
        keys.digest(torch.ones(2, dtype=torch.bfloat16)).hex() == "341b5f910e7033928dae8b2c235414b6"
    )


def example(a: int, b: int = 2, *args: int, c: int = 3, **kwargs: int) -> None: ...


def test_digests_of_calls() -> None:
    assert keys.digest(("user", 42)).hex() == "62c4fc36ee199240ecdc30d47d593648"
    assert keys.arguments_key(1, b=2).hex() == "0dc262542844c4687a5d61405b22afb6"
    example.__module__ = "app"
    assert (
        keys.call_key(example, (1, 2, 3), {"d": 4}, version=1).hex()
        == "dcbdaab4bc8ca22f293346d78165c7cb"
    )
    assert (
        keys.call_key(example, (1,), secret=b"secret", size=20).hex()
        == "27338bbf82381391c5fbfe5908e17280674c1b28"
    )
