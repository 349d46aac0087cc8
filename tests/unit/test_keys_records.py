"""Keys of classes that list their fields, of enums and of the standard library's types."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import ipaddress
import pathlib
import re
import types
import uuid
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec
import pytest

from augury import keys
from augury.errors import KeyEncodingError


@dataclasses.dataclass
class Data:
    x: int
    y: Any = 0
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: int
    y: Any = 0


class Undecorated(Data):
    pass


class Named(NamedTuple):
    x: int
    y: Any = 0


class Methods(Named):
    __slots__ = ()

    def total(self) -> int:
        return self.x


class Loose(Named):
    """Has room for attributes that its fields do not tell of."""


class Fuzzy(Named):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = Named.__hash__


class Record(msgspec.Struct):
    x: int
    y: Any = 0


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    ONE = "one"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


def test_records() -> None:
    kinds: list[Any] = [Data, Slotted, Named, Methods, Record]
    seen = set()
    for kind in kinds:
        assert keys.encode(kind(1, [2])) == keys.encode(kind(x=1, y=[2]))
        seen |= {keys.encode(kind(1, 2)), keys.encode(kind(2, 1)), keys.encode(kind(1, 2.0))}
    seen |= {keys.encode((1, 2)), keys.encode({"x": 1, "y": 2})}
    assert len(seen) == 3 * len(kinds) + 2
    assert keys.encode(Data(1, note="a")) == keys.encode(Data(1, note="b"))
    with pytest.raises(KeyEncodingError, match=r"value\.y\[0\]: cannot make"):
        keys.encode(Named(1, [object()]))


@pytest.mark.parametrize("value", [Undecorated(1), Loose(1), Fuzzy(1)])
def test_a_subclass_is_not_taken_for_its_base(value: Any) -> None:
    with pytest.raises(KeyEncodingError, match="register it"):
        keys.encode(value)


def test_attrs_and_pydantic() -> None:
    attrs = pytest.importorskip("attrs")
    pydantic = pytest.importorskip("pydantic")
    point = attrs.make_class("Point", {"x": attrs.field(), "y": attrs.field(eq=False)})
    assert keys.encode(point(1, 2)) == keys.encode(point(1, 3)) != keys.encode(point(2, 2))

    model = pydantic.create_model("Query", text=str, limit=(int, 10))
    assert keys.encode(model(text="a")) == keys.encode(model(text="a", limit=10))
    assert keys.encode(model(text="a")) != keys.encode(model(text="b"))


def test_enums() -> None:
    values = [*Color, *Number, *Word, Mode.READ, Mode.WRITE, Mode.READ | Mode.WRITE, 1, "one"]
    assert len({keys.encode(value) for value in values}) == len(values)
    assert keys.encode(Mode.WRITE | Mode.READ) == keys.encode(Mode.READ | Mode.WRITE)


def test_times() -> None:
    utc, rome = dt.UTC, zoneinfo.ZoneInfo("Europe/Rome")
    noon = dt.datetime(2026, 7, 1, 12)
    assert keys.encode(noon.replace(tzinfo=utc)) == keys.encode(
        noon.replace(tzinfo=zoneinfo.ZoneInfo("UTC"))
    )
    autumn = dt.datetime(2026, 10, 25, 2, 30)
    values = [
        noon,
        noon.replace(tzinfo=utc),
        noon.replace(tzinfo=utc).astimezone(rome),  # the same instant, told in another zone
        noon.replace(tzinfo=rome),
        autumn,
        autumn.replace(fold=1),
        autumn.replace(tzinfo=rome),
        autumn.replace(tzinfo=rome, fold=1),
        noon.date(),
        noon.time(),
        noon.isoformat(),
        dt.timedelta(days=1),
        dt.timedelta(days=-1, microseconds=1),
        utc,
        rome,
    ]
    assert len({keys.encode(value) for value in values}) == len(values)


def test_the_standard_library() -> None:
    values = [
        Decimal("1.0"),
        Decimal("1.00"),
        Decimal("NaN"),
        Fraction(1, 2),
        uuid.UUID(int=1),
        pathlib.PurePosixPath("a/b"),
        pathlib.PureWindowsPath("a/b"),
        pathlib.Path("a/b"),
        "a/b",
        ipaddress.ip_address("1.2.3.4"),
        ipaddress.ip_network("1.2.3.4"),
        re.compile("a"),
        re.compile("a", re.I),
        re.compile(b"a"),
        collections.OrderedDict(a=1, b=2),
        collections.OrderedDict(b=2, a=1),
        collections.defaultdict(int, a=1),
        collections.Counter(a=1),
        collections.deque([1]),
        types.MappingProxyType({"a": 1}),
        {"a": 1},
        range(3),
        range(0, 3, 2),
        slice(3),
        dict,
        Data,
    ]
    assert len({keys.encode(value) for value in values}) == len(values)
    assert keys.encode(Fraction(2, 4)) == keys.encode(Fraction(1, 2))
    assert keys.encode(range(0, 3, 2)) == keys.encode(range(0, 4, 2))
    assert keys.encode(collections.Counter(a=0)) == keys.encode(collections.Counter())
    assert keys.encode(memoryview(b"abcd")[::2]) == keys.encode(memoryview(b"ac"))
