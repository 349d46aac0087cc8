"""Values come back equal and of the same types, or are refused when they are written."""

import dataclasses
import datetime as dt
import enum
import functools
import struct
import uuid
import zoneinfo
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.codecs import Serializer, register
from augury.errors import CodecError, ConfigurationError, CorruptValueError

SERIALIZER = Serializer()


def through(value: Any, serializer: Serializer = SERIALIZER) -> Any:
    return serializer.loads(serializer.dumps(value, b"context"), b"context")


def assert_same(one: Any, other: Any) -> None:
    """Equal and of the same types, down to bits of floats and order of dicts."""
    assert type(one) is type(other)
    if isinstance(one, float | np.floating):
        assert struct.pack("<d", one) == struct.pack("<d", other)
    elif isinstance(one, complex):
        assert_same([one.real, one.imag], [other.real, other.imag])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, dict):
        assert_same(list(one.items()), list(other.items()))
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for ours, theirs in zip(one, other, strict=True):
            assert_same(ours, theirs)
    elif isinstance(one, set | frozenset):
        assert_same(sorted(map(repr, one)), sorted(map(repr, other)))
    elif isinstance(one, dt.datetime | dt.time):
        assert (repr(one), one.fold, type(one.tzinfo)) == (
            repr(other),
            other.fold,
            type(other.tzinfo),
        )
    elif isinstance(one, Decimal):
        assert one.as_tuple() == other.as_tuple()
    else:
        assert one == other


ZONES = st.one_of(
    st.none(),
    st.sampled_from([dt.UTC, zoneinfo.ZoneInfo("UTC")]),
    st.builds(dt.timezone, st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23))),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.text(),
    st.text(st.characters(exclude_categories=[])),
    st.binary(),
    st.complex_numbers(),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.decimals(),
    st.uuids(),
)
HASHABLE = SCALARS.filter(lambda value: not (isinstance(value, Decimal) and value.is_snan()))
VALUES = st.recursive(
    st.one_of(SCALARS, st.binary().map(bytearray)),
    lambda items: st.one_of(
        st.lists(items),
        st.lists(items).map(tuple),
        st.lists(st.lists(SCALARS, max_size=3).map(tuple), max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.dictionaries(HASHABLE, items, max_size=4),
        st.dictionaries(st.tuples(HASHABLE, HASHABLE), items, max_size=3),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_values_come_back_exactly(value: Any) -> None:
    assert_same(through(value), value)


@pytest.mark.parametrize(
    "value",
    [
        *(2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**5000),
        *(float("nan"), float("-inf"), -0.0, {float("nan"): 1, None: 2, True: 3}),
        struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\xff")[0],
        *("\ud800", ["\udcff"], "\ud83d\ude00", {"\ud800": 1}),
        *((), [], {}, set(), frozenset(), b"", "", [()], [[], ()], ((),)),
        [(1, "a"), (2, "\ud800")],
        [(1, 2**70)],
        [(dt.datetime(2026, 1, 1, fold=1), [1]), (None, (2,))],
        dt.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Rome")),
        dt.datetime(2026, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "mine")),
        dt.timedelta.min,
        *(Decimal("1.10"), Decimal("sNaN12"), Decimal("-0E+3"), Decimal("-Infinity")),
        {frozenset({1, (2, 3)}): {"a": {1}}},
        uuid.uuid1(),
        complex(-0.0, float("nan")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_values_come_back_exactly(value: Any) -> None:
    assert_same(through(value), value)


def test_uuids_keep_how_they_were_made() -> None:
    for safe in uuid.SafeUUID:
        assert through(uuid.UUID(int=5, is_safe=safe)).is_safe is safe


def test_depth_has_a_bound() -> None:
    deep: Any = []
    for level in range(97):
        deep = [deep, level] if level % 3 else (deep,)
    assert_same(through(deep), deep)
    for _ in range(100):
        deep = [deep]
    with pytest.raises(CodecError, match="100 deep"):
        SERIALIZER.dumps(deep)
    deep.append(deep)
    deep.append(deep)
    with pytest.raises(CodecError, match="in themselves"):
        SERIALIZER.dumps(deep)
    mapping: dict[str, Any] = {}
    mapping["self"] = (mapping,)
    with pytest.raises(CodecError, match="in themselves"):
        SERIALIZER.dumps(mapping)


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Plain:
    pass


@dataclasses.dataclass
class Unregistered:
    x: int = 1


@pytest.mark.parametrize(
    "value",
    [
        *(Text("a"), Number(1), type("Dict", (dict,), {})(), type("List", (list,), {})([1])),
        *(Plain(), object(), len, int, Plain, range(3), memoryview(b"a"), ..., iter([])),
        Unregistered(),
        dt.datetime(2026, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {})()),
        msgspec.msgpack.Ext(3, b"\x90"),
        msgspec.Raw(b"\x90"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_is_refused(value: Any) -> None:
    for wrapped in (value, [value], {"key": [1, value]}, (value,), [(1, value)]):
        with pytest.raises(CodecError):
            SERIALIZER.dumps(wrapped)


def test_subclasses_as_keys_are_refused() -> None:
    for wrapped in ({Text("a"): 1}, {Number(1)}, {(Number(1),): 1}):
        with pytest.raises(CodecError):
            SERIALIZER.dumps(wrapped)


def test_the_error_names_type_and_remedy() -> None:
    with pytest.raises(CodecError, match=r"test_codecs\.Plain; .*register"):
        SERIALIZER.dumps([Plain()])


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: Any
    y: Any = dataclasses.field(default=None, init=False)


@dataclasses.dataclass
class Counted:
    x: int
    made = 0

    def __post_init__(self) -> None:
        Counted.made += 1


class Row(NamedTuple):
    name: str
    items: tuple[int, ...]


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796


class Flag(enum.Flag):
    A = 1
    B = 2


class Structure(msgspec.Struct):
    x: Any
    y: int = 5


@dataclasses.dataclass
class WithProperty:
    x: int

    @functools.cached_property
    def double(self) -> int:
        return self.x * 2


for kind in (WithProperty, Point, Counted, Row, Colour, Flag, Structure):
    register(kind, f"test.{kind.__name__}")


@pytest.mark.parametrize(
    "value",
    [
        Point((1, 2)),
        [Point(Point(1))],
        {Point(1): Row("a", (1, 2))},
        *(Colour.RED, Colour.CRIMSON, Flag.B, Structure({1}), {"a": (Structure([]),)}),
    ],
    ids=repr,
)
def test_registered_classes_come_back(value: Any) -> None:
    back = through(value)
    assert type(back) is type(value)
    assert back == value


def test_init_does_not_run_again() -> None:
    value = Counted(1)
    assert (through(value), Counted.made) == (value, 1)


def test_undeclared_or_missing_attributes_are_refused() -> None:
    value = Counted(1)
    value.more = 2  # type: ignore[attr-defined]
    with pytest.raises(CodecError, match="'more'"):
        SERIALIZER.dumps(value)
    unset = Point.__new__(Point)
    with pytest.raises(CodecError, match="not set"):
        SERIALIZER.dumps(unset)
    with pytest.raises(CodecError, match="no name"):
        SERIALIZER.dumps(Flag.A | Flag.B)


def test_a_name_stands_for_one_class() -> None:
    register(Point, "test.Point")  # again is no change
    cases: list[tuple[type, str]] = [(Point, "test.Other"), (Unregistered, "test.Point")]
    for kind, name in cases:
        with pytest.raises(ConfigurationError, match="stands for"):
            register(kind, name)
    for kind in (Plain, Number, int):
        with pytest.raises(ConfigurationError, match="is no dataclass"):
            register(kind, "test.Plain")


class Slotted:
    __slots__ = ("hidden",)


@dataclasses.dataclass
class MoreThanItsFields(Slotted):
    x: int


@dataclasses.dataclass
class AlsoADict(dict):  # type: ignore[type-arg]
    x: int


class RowWithAttributes(Row):
    pass


class StructureWithMore(Structure):
    pass


@pytest.mark.parametrize("kind", [MoreThanItsFields, AlsoADict, RowWithAttributes])
def test_classes_of_more_than_fields_are_refused(kind: type) -> None:
    with pytest.raises(ConfigurationError, match="all that it has"):
        register(kind, f"test.{kind.__name__}")


def test_subclasses_of_registered_classes_are_refused() -> None:
    for value in (StructureWithMore(1), RowWithAttributes("a", ())):
        with pytest.raises(CodecError):
            SERIALIZER.dumps(value)


def test_cached_properties_are_computed_again() -> None:
    value = WithProperty(3)
    assert value.double == 6
    back = through(value)
    assert back == value
    assert vars(back) == {"x": 3}


def test_a_name_alone_makes_no_type() -> None:
    for base in (bytes, str, list):
        spoofed = type(base.__name__, (base,), {"__module__": "builtins"})
        with pytest.raises(CodecError):
            SERIALIZER.dumps(spoofed())


def test_changed_or_unknown_fields_count_as_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    from augury.codecs import records

    data = SERIALIZER.dumps(Structure(1))
    other = type("Structure", (msgspec.Struct,), {"__annotations__": {"x": int}})
    register(other, "test.Shorter")
    monkeypatch.setitem(records.BY_NAME, "test.Structure", records.BY_NAME["test.Shorter"])
    with pytest.raises(CorruptValueError, match="fields"):
        SERIALIZER.loads(data)
    monkeypatch.delitem(records.BY_NAME, "test.Structure")
    with pytest.raises(CorruptValueError):
        SERIALIZER.loads(data)


@pytest.mark.parametrize("wrap", [bytes, memoryview, bytearray], ids=lambda kind: kind.__name__)
def test_loads_takes_any_buffer(wrap: Any) -> None:
    for value in (b"abc", "abc", [1, (b"x",)], np.arange(3)):
        buffer = bytearray(SERIALIZER.dumps(value))
        back = SERIALIZER.loads(wrap(buffer))
        buffer[:] = bytes(len(buffer))  # the value shares no memory with it
        assert_same(back, value)
