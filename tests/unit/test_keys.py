"""Stable keys: what is equal, what differs, and what has no key."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime as dt
import math
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import augury
from augury import keys
from augury.errors import ConfigurationError, KeyEncodingError

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False).filter(lambda x: x != 0 or math.copysign(1, x) > 0)
    | st.text(alphabet=st.characters())  # half surrogates too
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.fractions()
)
hashable = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=6
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.tuples(inner) | st.dictionaries(hashable, inner) | st.sets(hashable)
    ),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """Return a value that equals another's only if type and value are equal all the way down."""
    kind = type(value)
    if kind in (list, tuple):
        return (kind, tuple(map(typed, value)))
    if kind in (set, frozenset):
        return (kind, frozenset(map(typed, value)))
    if kind is dict:
        return (kind, frozenset((typed(k), typed(v)) for k, v in value.items()))
    return (kind, value)


@given(values)
def test_equal_values_have_equal_keys(value: Any) -> None:
    assert keys.encode(copy.deepcopy(value)) == keys.encode(value)
    assert keys.digest(copy.deepcopy(value)) == keys.digest(value)


@given(values, values)
def test_keys_are_equal_exactly_if_types_and_values_are(left: Any, right: Any) -> None:
    assert (keys.encode(left) == keys.encode(right)) == (typed(left) == typed(right))


@given(st.lists(values, max_size=2), st.lists(values, max_size=2))
def test_encodings_in_a_row_do_not_run_together(left: list[Any], right: list[Any]) -> None:
    joined = [b"".join(keys.encode(v)[1:] for v in side) for side in (left, right)]
    assert (joined[0] == joined[1]) == (typed(left) == typed(right))


@given(st.lists(st.tuples(hashable, scalars), max_size=5))
def test_the_order_of_dicts_and_sets_does_not_count(pairs: list[tuple[Any, Any]]) -> None:
    once = dict(pairs)
    again = dict(reversed(once.items()))
    assert keys.encode(once) == keys.encode(again)
    assert keys.encode(set(once)) == keys.encode(set(again))


def test_every_unequal_type_makes_another_key() -> None:
    distinct = [
        1, 1.0, True, "1", b"1", 1 + 0j, None, "None", (1,), [1], {1}, frozenset({1}), {1: 1},
        bytearray(b"1"), memoryview(b"1"), 0, 0.0, -0.0, False, "", b"", (), [], set(), {},
        collections.OrderedDict(), collections.deque(), collections.Counter(), range(0), ...,
        "a", ("a",), (("a",),), ["a", "b"], ["ab"], ["a", ["b"]], int, "int",
    ]  # fmt: skip
    assert len({keys.encode(value) for value in distinct}) == len(distinct)


def test_all_nans_are_one_even_as_keys() -> None:
    assert keys.encode(float("nan")) == keys.encode(-float("nan"))
    one = {float("nan"): 1, float("nan"): 2}
    other = {float("nan"): 2, float("nan"): 1}
    assert keys.encode(one) == keys.encode(other)


def test_a_digest_is_blake2b_of_the_encoding() -> None:
    from hashlib import blake2b

    for value in (1, {"a": bytes(100_000), "b": [bytes(20_000), "x"]}):
        expected = blake2b(keys.encode(value), digest_size=20, key=b"pepper").digest()
        assert keys.digest(value, size=20, secret=b"pepper") == expected
    assert keys.digest(1) != keys.digest(1, secret=b"pepper")


@pytest.mark.parametrize("options", [{"size": 8}, {"size": 65}, {"secret": bytes(65)}])
def test_a_digest_that_is_too_short_or_long_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="16 to 64 bytes"):
        keys.digest(1, **options)


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from augury import keys\n"
        "import datetime\n"
        "v = {'a': {'x', 'y', 'z'}, frozenset('abc'): [1.5, None, 'é']}\n"
        "v[3] = datetime.date(2026, 1, 2)\n"
        "print(keys.encode(v).hex())"
    )
    value = {
        3: dt.date(2026, 1, 2),
        frozenset("cab"): [1.5, None, "é"],
        "a": {"z", "x", "y"},
    }
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == keys.encode(value).hex()


class Text(str):
    pass


class Markup(str):
    pass


@dataclasses.dataclass
class Query:
    filters: list[Any]


def opaque() -> Any:
    return object()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (opaque(), "value: cannot make a stable key from <class 'object'>; register it with"),
        ({"f": [1, opaque()]}, r"value\['f'\]\[1\]: cannot make"),
        (Query([0, {"x": opaque()}]), r"value\.filters\[1\]\['x'\]: cannot make"),
        ({opaque(): 1}, "value key <object obj"),
        ({opaque()}, "value item <object obj"),
        (Text("x"), "a str that may compare in its own way; register it"),
        (len, "its code has no stable value"),
        (lambda: 1, "its code has no stable value"),
        ((x for x in [1]), "can be read only once; pass a list"),
        (iter([]), "can be read only once"),
        (type("Nameless", (), {}), "a class that has no name to import it"),
        (sys, "<class 'module'>"),
        (memoryview(b"abcdefgh").cast("l"), "differs between machines; make it an array"),
    ],
)
def test_what_has_no_key_is_named(value: Any, message: str) -> None:
    with pytest.raises(KeyEncodingError, match=message):
        keys.encode(value)


def test_what_contains_itself_is_refused() -> None:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    with pytest.raises(KeyEncodingError, match=r"value\[1\]\['again'\]: contains itself"):
        keys.encode(loop)


def test_too_deep_is_refused() -> None:
    deep: Any = []
    for _ in range(149):
        deep = [deep]
    assert keys.encode(deep)
    with pytest.raises(KeyEncodingError, match="nested more than 150 levels deep"):
        keys.encode([deep])


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def __augury_key__(self) -> object:
        return self.x


class Pixel(Point):
    pass


class Money:
    def __init__(self, amount: Any) -> None:
        self.amount = amount


def test_a_class_may_define_its_key() -> None:
    assert keys.encode(Point(1)) == keys.encode(Point(1)) != keys.encode(Point(2))
    assert keys.encode(Point(1)) != keys.encode(Pixel(1))


def test_a_type_may_be_registered() -> None:
    keys.register(Money, lambda money: money.amount)
    assert keys.encode(Money(1)) == keys.encode(Money(1)) != keys.encode(Money(2))
    keys.register(Money, lambda money: money.amount, name="money")
    assert keys.encode(Money(1)) == b"\x01@5:moneyi1;"
    with pytest.raises(KeyEncodingError, match=r"value\[0\]: cannot make .* 'object'"):
        keys.encode([Money(opaque())])
    keys.register(Markup, str.__str__)
    assert keys.encode(Markup("x")) != keys.encode("x")


@pytest.mark.parametrize("kind", [int, dict, dt.datetime, type])
def test_fixed_types_cannot_be_registered(kind: type) -> None:
    with pytest.raises(ConfigurationError, match="fixed by Augury"):
        keys.register(kind, repr)


def test_register_checks_what_it_is_given() -> None:
    with pytest.raises(ConfigurationError, match="takes a type"):
        keys.register("Money", repr)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="takes a function"):
        keys.register(Money, "amount")  # type: ignore[arg-type]


def test_arguments_key_lets_cached_take_what_cannot_be_hashed() -> None:
    calls = []

    @augury.cached(10, key=keys.arguments_key)
    def total(numbers: list[int], *, scale: Any = 1) -> Any:
        calls.append(numbers)
        return sum(numbers) * scale

    assert total([1, 2]) == total([1, 2]) == 3
    assert total([1, 2], scale=2) == total([1, 2], scale=2) == 6
    assert calls == [[1, 2], [1, 2]]
    assert keys.arguments_key(1, [2], b=3, a=4) == keys.digest(((1, [2]), {"a": 4, "b": 3}))
    with pytest.raises(KeyEncodingError, match=r"argument 'scale'\[0\]: cannot make"):
        total([1], scale=[opaque()])
    with pytest.raises(KeyEncodingError, match=r"argument 0: cannot make"):
        total(opaque())
