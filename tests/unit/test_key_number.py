"""The numbers that features know keys by: neighbours, namespaces, distinctness, hostile keys."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury import Cache, cached, read_trace
from augury._native import Model, Simulation, key_numbers
from augury.accesslog import Spool, requests_of
from augury.features import FEATURES

WRAP = 2**64


def number(key: object) -> int:
    return int(key_numbers([key])[0])


def namespace(key: object) -> int:
    """Of a key that is not a number."""
    assert number(key) >> 63 == 1
    return number(key) >> 43


@given(st.integers())
def test_an_integer_is_itself_also_as_text(value: int) -> None:
    assert number(value) == value % WRAP == number(str(value)) == number(b"%d" % value)


@given(st.integers(0, 2**43 - 2), st.sampled_from(["user:{}:profile", "/v1/items/{}?x", "a{}.png"]))
def test_the_next_number_is_the_next_key(value: int, pattern: str) -> None:
    low, high = number(pattern.format(value)), number(pattern.format(value + 1))
    assert (high - low) % 2**43 == 1
    assert low >> 43 == high >> 43


@pytest.mark.parametrize(
    "alike",
    [
        ("user:42:profile", "user:7000000:profile"),
        ("user:42:post:7", "user:43:post:99"),
        ("/api/v1/items/17?x=3", "/api/v1/items/18?x=41"),
        ("/search?q=shoes&page=2", "/search?q=red+hats&page=11"),
        ("img/2024/05/abc.png", "img/2023/12/me-too.jpg"),
        ("/blog/my-first-post", "/blog/hello"),
        ("session:3fa85f64-5717-4562-b3fc-2c963f66afa6", "session:V1StGXR8_Z5jdHi6B"),
        (str(uuid.UUID(int=5**50)), "d41d8cd98f00b204e9800998ecf8427e", "hello"),
        (("user", 42), ("user", 43)),
        ((1, b"x", "doc:5"), (2, b"x", "doc:6")),
    ],
)
def test_keys_of_a_namespace(alike: tuple[object, ...]) -> None:
    assert len({namespace(key) for key in alike}) == 1
    assert len({number(key) for key in alike}) == len(alike)


def test_keys_of_different_namespaces() -> None:
    keys: list[object] = ["user:42:profile", "user:42:cart", "item:42", "items/42", "word"]
    keys += ["session:3fa85f64-5717-4562-b3fc-2c963f66afa6", "/blog/x", "/about/x", ("user", 42)]
    assert len({namespace(key) for key in keys}) == len(keys)


def test_opaque_keys_are_no_neighbours() -> None:
    random = np.random.default_rng(1)
    digests = [f"file:{random.bytes(16).hex()}" for _ in range(10_000)]
    numbers = np.sort(key_numbers(list[Any](digests)))
    assert len(np.unique(numbers >> np.uint64(10))) == len(digests)
    assert len(np.unique(numbers >> np.uint64(43))) == 1


@pytest.mark.parametrize(
    "keys",
    [
        [f"user:{i}:{kind}" for i in range(20_000) for kind in ("profile", "cart", "feed")],
        [f"user:{i}:post:{j}" for i in range(6_000) for j in range(10)],
        [f"/shop/{i % 97}/{i}-shoe.html" for i in range(60_000)],
        [(i, j) for i in range(245) for j in range(245)],
        [f"page-{i:x}" for i in range(60_000)],
    ],
)
def test_keys_that_people_use_stay_distinct(keys: list[object]) -> None:
    """By the bounds of the header no pair of these is expected to share a number."""
    assert len(np.unique(key_numbers(keys))) == len(keys)


@given(st.text(), st.text())
def test_any_text_has_a_number_and_different_texts_different_ones(one: str, other: str) -> None:
    def told(text: str) -> bool:
        return not any(character.isdigit() for character in text) and text.isprintable()

    assert 0 <= number(one) < WRAP
    if told(one) and told(other):
        assert (number(one) == number(other)) == (one == other)


@given(st.binary())
def test_bytes_are_numbered_as_the_text_that_files_make_of_them(raw: bytes) -> None:
    assert number(raw) == number(raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        b"",
        (),
        "\0",
        ":" * 1000,
        "9" * 5000,
        "x" * (1 << 20),
        "7" * (1 << 20),
        "a1:" * (1 << 18),
        "\ud800",
        "\udfff:1",
        "\u0663\u0664:\u0665",
        "²",
        "\uff11\uff12",
        "\U0001f600:12",
        ((((((1,),),),),),),
        (None, 1.5, frozenset(), True),
        None,
        2.5,
        object(),
    ],
)
def test_hostile_keys_have_one_number(hostile: object) -> None:
    assert number(hostile) == number(hostile)
    cache: Cache[object, int] = Cache(3, policy="learned")
    cache[hostile] = 1
    assert cache[hostile] == 1
    cache.validate()


def test_only_ascii_digits_are_digits() -> None:
    assert number("item:٣") != number("item:3")
    assert number("item:٤") - number("item:٣") not in {1, -1}


def test_a_tuple_too_deep_ends_the_reading() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = (deep,)
    assert number(deep) == number(deep)
    while isinstance(deep, tuple):  # released one by one
        (deep,) = deep


def test_spooled_keys_have_the_numbers_of_live_ones(tmp_path: Any) -> None:
    keys: list[int | str] = [7, "7", -7, 10**30, "user:1", "user:2", "", "\ud800", "٣", "user:1"]
    with Spool(requests_of(keys)) as spool:
        assert spool.numbers.tolist() == key_numbers(list[Any](keys[:-1])).tolist()
        assert spool.distinct == 9  # 7 and "7" share a number, but stay two keys
    path = tmp_path / "keys.txt"
    path.write_bytes(b"user:1\n17\n\xff\xfe:3\nuser:1\n007\n")
    with Spool(read_trace(path)) as spool:
        live = ["user:1", 17, b"\xff\xfe:3", "007"]
        assert number("007") != 7
        assert spool.numbers.tolist() == key_numbers(list[Any](live)).tolist()
    with Spool(requests_of([3, 2**64 - 1, 3])) as spool:
        assert spool.numbers is spool.keys


def ranking_by(name: str) -> Model:
    """A model that evicts whose feature is the highest."""
    weights = np.array([each.name == name for each in FEATURES], np.float32)
    zeros = np.zeros(len(FEATURES), np.float32)
    arrays = {"weights": weights, "bias": zeros[:1], "mean": zeros, "scale": zeros + 1}
    return Model("linear", arrays)


def text_keys(requests: int = 12_000) -> list[str]:
    random = np.random.default_rng(4)
    of = (1500 * random.random(requests) ** 2).astype(int)
    kinds = ("user:{}:profile", "/items/{}?x=1", "{}.png", "word:{}")
    return [kinds[key % 3].format(key) for key in of.tolist()]


@pytest.mark.parametrize("feature", ["above", "near_age", "kin_gap", "habit"])
def test_the_live_cache_decides_as_the_simulation_of_text_with_times(
    tmp_path: Any, feature: str
) -> None:
    keys = text_keys()
    times = [1_700_000_000 + 97 * at for at in range(len(keys))]
    path = tmp_path / "requests.csv"
    rows = [f"{time},{key}" for time, key in zip(times, keys, strict=True)]
    path.write_text("\n".join(["time,key", *rows]))
    model = ranking_by(feature)
    now = 0
    # With a time to live the clock is asked with each read. What the guard's shadow caches see
    # depends on hashes, which are others in each process.
    cache: Cache[str, int] = Cache(150, policy="learned(guard=0)", ttl=1e9, clock=lambda: now)
    cache._use_model(model, None)
    missed = 0
    for key, now in zip(keys, times, strict=True):  # noqa: B007 - the clock reads it
        if cache.get(key) is None:
            missed += 1
            cache[key] = 1
    cache.validate()
    with Spool(read_trace(path)) as spool:
        simulation = Simulation("learned", 150, model=model, parameters={"guard": 0.0})
        for chunk in spool.chunks():
            simulation.feed(
                chunk.ids, spool.hashes, None, None, keys=spool.numbers, times=chunk.times
            )
    assert simulation.misses == missed


def test_calls_of_a_function_are_a_namespace() -> None:
    @cached(Cache(10))
    def page(user: int, number: int) -> int:
        return user + number

    @cached(Cache(10))
    def other(user: int, number: int) -> int:
        return user - number

    assert number(page.cache_key(1, 8)) - number(page.cache_key(1, 7)) == 1
    assert namespace(page.cache_key(1, 8)) == namespace(page.cache_key(2, 7))
    assert namespace(page.cache_key(1, 8)) != namespace(other.cache_key(1, 8))
