"""What `Cache.save` writes, `Cache.load` reads: all of it, in order, or nothing."""

import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury import Cache, policies
from augury.codecs import Keyring, Serializer, records, register
from augury.errors import CodecError, ConfigurationError, SnapshotError

LIVE = policies.names(offline=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.snapshot"


def order(cache: Cache[Any, Any]) -> list[Any]:
    return cache._contents()[0]


def asked(policy: str, capacity: int = 200, seed: int = 0) -> Cache[Any, Any]:
    """Return a cache that was asked for skewed keys."""
    cache: Cache[Any, Any] = Cache(capacity, policy=policy, learn=False)
    for key in (1000 * np.random.default_rng(seed).random(5000) ** 3).astype(int).tolist():
        if cache.get(key) is None:
            cache[key] = str(key)
    return cache


@pytest.mark.parametrize("policy", LIVE)
def test_every_policy_comes_back(policy: str, path: Path) -> None:
    cache = asked(policy)
    assert sorted(order(cache)) == sorted(cache)
    before = dict(cache)
    assert cache.save(path).entries == len(cache)
    loaded: Cache[Any, Any] = Cache(200, policy=policy, learn=False)
    report = loaded.load(path)
    assert (report.stored, report.left_out) == (len(before), 0)
    assert dict(loaded) == before == dict(cache)
    loaded.validate()


@pytest.mark.parametrize("policy", ["lru", "fifo", "slru", "s3fifo", "2q", "lfu", "arc"])
def test_the_order_comes_back(policy: str, path: Path) -> None:
    cache = asked(policy)
    cache.save(path)
    loaded: Cache[Any, Any] = Cache(200, policy=policy)
    loaded.load(path)
    if policy in {"lru", "fifo", "s3fifo", "2q"}:
        assert order(loaded) == order(cache)
    for last in (20, 100):
        assert len({*order(loaded)[-last:]} & {*order(cache)[-last:]}) >= 0.9 * last


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "wtinylfu", "lfu", "auto", "learned"])
@pytest.mark.parametrize("saved_by", ["lru", "auto"])
def test_a_smaller_cache_keeps_the_best(policy: str, saved_by: str, path: Path) -> None:
    cache = asked(saved_by)
    cache.save(path)
    small: Cache[Any, Any] = Cache(50, policy=policy, learn=False)
    report = small.load(path)
    assert (report.stored, report.left_out) == (50, 150)
    assert set(small) == set(order(cache)[-50:])


def test_later_misses_are_those_of_one_that_went_on(path: Path) -> None:
    for policy in ("lru", "s3fifo", "lfu", "auto", "learned", "wtinylfu"):
        cache = asked(policy)
        cache.save(path)
        loaded: Cache[Any, Any] = Cache(200, policy=policy, learn=False)
        loaded.load(path)
        keys = (1000 * np.random.default_rng(1).random(2000) ** 3).astype(int).tolist()
        misses = [0, 0]
        for which, each in enumerate((cache, loaded)):
            for key in keys:
                if each.get(key) is None:
                    each[key] = str(key)
                    misses[which] += 1
        assert abs(misses[0] - misses[1]) <= 60, policy


def test_times_to_live_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache: Cache[str, int] = Cache(10, clock=lambda: 100.0)
    cache.set("short", 1, ttl=5)
    cache.set("long", 2, ttl=50)
    cache.set("for ever", 3, ttl=None)
    cache.save(path)
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + 20)
    loaded: Cache[str, int] = Cache(10, ttl=1, clock=lambda: 7.0)
    report = loaded.load(path)
    assert (report.stored, report.expired) == (2, 1)
    assert loaded.ttl("for ever") is None
    left = loaded.ttl("long")
    assert left is not None
    assert 20 < left <= 30


def test_a_clock_that_was_set_back_lets_nothing_live_longer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: Cache[str, int] = Cache(10, ttl=5, clock=lambda: 0.0)
    cache["a"] = 1
    cache.save(path)
    monkeypatch.setattr(time, "time", lambda: 1.0)
    loaded: Cache[str, int] = Cache(10, clock=lambda: 0.0)
    loaded.load(path)
    left = loaded.ttl("a")
    assert left is not None
    assert left <= 5


def test_weights_given_by_hand_come_back(path: Path) -> None:
    cache: Cache[str, int] = Cache(100)
    cache.set("a", 1, size=30)
    cache.set("b", 2, size=60)
    cache.save(path)
    loaded: Cache[str, int] = Cache(100)
    loaded.load(path)
    assert loaded.weight == 90


def test_a_weigher_weighs_anew(path: Path) -> None:
    cache: Cache[str, bytes] = Cache(1000, weigher=lambda _, value: len(value))
    cache.update(a=b"x" * 400, b=b"x" * 300)
    cache.save(path)
    counting: Cache[str, bytes] = Cache(2)
    assert counting.load(path).stored == 2
    assert counting.weight == 2
    double: Cache[str, bytes] = Cache(1000, weigher=lambda _, value: 2 * len(value))
    assert double.load(path).left_out == 1
    assert 600 <= double.weight <= 800


def test_a_weigher_may_return_any_integer(path: Path) -> None:
    weigher: Any = lambda key, value: np.int64(2)  # noqa: E731
    cache: Cache[str, int] = Cache(10, policy="lru", weigher=weigher)
    cache["key"] = 1
    cache.save(path)
    restarted: Cache[str, int] = Cache(10, policy="lru", weigher=weigher)
    assert restarted.load(path).stored == 1
    assert restarted.weight == 2


def test_a_weigher_that_is_wrong_changes_nothing(path: Path) -> None:
    cache: Cache[str, int] = Cache(10)
    cache.update(a=1)
    cache.save(path)
    wrong: Cache[str, int] = Cache(10, weigher=lambda _key, _value: 0)
    with pytest.raises(ConfigurationError, match="a weight is a positive integer, not 0"):
        wrong.load(path)
    assert len(wrong) == 0


def test_what_is_there_is_newer(path: Path) -> None:
    cache: Cache[str, int] = Cache(3)
    cache.update(a=1, b=2, c=3)
    cache.save(path)
    loaded: Cache[str, int] = Cache(3)
    loaded.update(a=10, d=40)
    report = loaded.load(path)
    assert (report.stored, report.present, report.left_out) in {(1, 1, 1), (1, 0, 2)}
    assert loaded["a"] == 10
    assert loaded["d"] == 40


def test_failures_and_statistics_stay_behind(path: Path) -> None:
    def missing(key: str) -> int:
        raise KeyError(key)

    cache: Cache[str, int] = Cache(10)
    cache["a"] = 1
    with pytest.raises(KeyError):
        cache.get_or_load("gone", missing, negative_ttl=60)
    before = cache.stats()
    assert cache.save(path).entries == 1
    assert cache.stats() == before


@dataclass
class Plain:
    x: int


def test_what_no_codec_carries_is_named_or_left_out(path: Path) -> None:
    cache: Cache[Any, Any] = Cache(1000)
    cache.update({key: key for key in range(300)})
    cache["odd one"] = Plain(1)
    cache[object()] = 2
    with pytest.raises(CodecError, match=r"the entry of .* cannot be saved: .*skip=True"):
        cache.save(path)
    assert list(path.parent.iterdir()) == []
    report = cache.save(path, skip=True)
    assert (report.entries, report.skipped) == (300, 2)
    loaded: Cache[Any, Any] = Cache(1000)
    assert loaded.load(path).stored == 300


def test_a_class_that_is_gone_costs_only_its_values(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BY_TYPE", dict(records.BY_TYPE))
    monkeypatch.setattr(records, "BY_NAME", dict(records.BY_NAME))
    register(Plain, "test_snapshot.Plain")
    cache: Cache[str, Any] = Cache(100)
    for number in range(20):
        cache[f"plain {number}"] = Plain(number)
        cache[f"text {number}"] = "text"
    cache.save(path)
    loaded: Cache[str, Any] = Cache(100)
    loaded.load(path)
    assert loaded["plain 3"] == Plain(3)
    del records.BY_TYPE[Plain], records.BY_NAME["test_snapshot.Plain"]
    elsewhere: Cache[str, Any] = Cache(100)
    with pytest.raises(SnapshotError, match=r"cannot be read here.*skip=True"):
        elsewhere.load(path)
    assert len(elsewhere) == 0
    report = elsewhere.load(path, skip=True)
    assert (report.stored, report.unreadable) == (20, 20)


def test_encryption_is_the_serializers(path: Path) -> None:
    pytest.importorskip("cryptography")
    safe = Serializer(compress_above=None, keys=Keyring({1: b"k" * 32}))
    cache: Cache[str, str] = Cache(10)
    cache["name"] = "a very secret text"
    cache.save(path, serializer=safe)
    assert b"secret" not in path.read_bytes()
    loaded: Cache[str, str] = Cache(10)
    with pytest.raises(SnapshotError, match="no keys were given"):
        loaded.load(path)
    other = Serializer(compress_above=None, keys=Keyring({1: b"o" * 32}))
    with pytest.raises(SnapshotError):
        loaded.load(path, serializer=other)
    assert loaded.load(path, serializer=safe).stored == 1


def test_pickle_is_the_users_choice(path: Path) -> None:
    with_pickle = Serializer(compress_above=None, pickle=b"s" * 16)
    cache: Cache[str, Plain] = Cache(10)
    cache["a"] = Plain(7)
    cache.save(path, serializer=with_pickle)
    loaded: Cache[str, Plain] = Cache(10)
    with pytest.raises(SnapshotError, match="no secret was given"):
        loaded.load(path)
    loaded.load(path, serializer=with_pickle)
    assert loaded["a"] == Plain(7)


def test_the_file_is_private_and_replaces_the_old_one(path: Path) -> None:
    path.write_text("old")
    cache: Cache[str, int] = Cache(10)
    report = cache.save(path)
    assert report.bytes == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert Cache(10).load(path).stored == 0


def test_progress_is_told_and_may_stop_it(path: Path) -> None:
    cache: Cache[int, bytes] = Cache(5000)
    cache.update(dict.fromkeys(range(3000), b"x" * 2000))
    cache.save(path)
    old = path.read_bytes()
    shares: list[float] = []
    cache.save(path, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 3

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    new = path.read_bytes()
    assert len(new) == len(old)
    with pytest.raises(KeyboardInterrupt):
        cache.save(path, progress=stop)
    assert path.read_bytes() == new
    loaded: Cache[int, bytes] = Cache(5000)
    with pytest.raises(KeyboardInterrupt):
        loaded.load(path, progress=stop)
    assert len(loaded) == 0
    shares.clear()
    loaded.load(path, progress=shares.append)
    assert shares == sorted(shares)
    assert len(loaded) == 3000


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"serializer": "msgpack"}, "serializer must be a Serializer"),
        ({"progress": 1}, "progress must be callable"),
    ],
)
@pytest.mark.parametrize("method", ["save", "load"])
def test_options_are_checked(method: str, options: dict[str, Any], told: str, path: Path) -> None:
    cache: Cache[str, int] = Cache(10)
    cache.save(path)
    call: Callable[..., object] = getattr(cache, method)
    with pytest.raises(ConfigurationError, match=told):
        call(path, **options)


def test_values_of_many_kinds(path: Path) -> None:
    cache: Cache[Any, Any] = Cache(100)
    values = {
        1: None,
        "two": [1, (2, b"3")],
        (3, "x"): np.arange(5),
        b"four": {"a": {1, 2}},
        5.5: "\ud800",
        frozenset({6}): 2**100,
        None: True,
    }
    cache.update(values)
    cache.save(path)
    loaded: Cache[Any, Any] = Cache(100)
    loaded.load(path)
    assert loaded.pop((3, "x")).tolist() == [0, 1, 2, 3, 4]
    assert dict(loaded) == {k: v for k, v in values.items() if k != (3, "x")}


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from(LIVE),
    capacity=st.integers(1, 30),
    smaller=st.integers(1, 30),
    operations=st.lists(
        st.tuples(
            st.sampled_from(["get", "set", "delete", "round"]),
            st.integers(0, 40) | st.text(max_size=2),
            st.integers(1, 12),
        ),
        max_size=60,
    ),
)
def test_any_cache_goes_on_where_it_was(
    policy: str,
    capacity: int,
    smaller: int,
    operations: list[tuple[str, Any, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A cache that restarts now and then holds what it held, and obeys its bounds."""
    path = tmp_path_factory.getbasetemp() / "any.snapshot"
    cache: Cache[Any, Any] = Cache(capacity, policy=policy, learn=False)
    for operation, key, size in operations:
        if operation == "get":
            cache.get(key)
        elif operation == "set":
            cache.set(key, [key], size=size)
        elif operation == "delete":
            cache.delete(key)
        else:
            before, weight = dict(cache), cache.weight
            cache.save(path)
            cache = Cache(capacity, policy=policy, learn=False)
            assert cache.load(path).stored == len(before)
            assert (dict(cache), cache.weight) == (before, weight)
            cache.validate()
    before = dict(cache)
    cache.save(path)
    other: Cache[Any, Any] = Cache(smaller, policy="lru")
    report = other.load(path)
    assert report.stored + report.left_out == len(before)
    assert all(before[key] == value for key, value in other.items())
    other.validate()


def test_large_values_make_small_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that little memory is taken besides the cache."""
    largest = 0
    dumps = Serializer.dumps

    def watched(self: Serializer, value: object, context: bytes = b"") -> bytes:
        nonlocal largest
        sealed = dumps(self, value, context)
        largest = max(largest, len(sealed))
        return sealed

    monkeypatch.setattr(Serializer, "dumps", watched)
    cache: Cache[int, Any] = Cache(3000, policy="lru")
    cache.update(dict.fromkeys(range(20), b"x" * 700_000))
    cache.update({key: np.zeros(80_000) for key in range(20, 40)})
    cache.update(dict.fromkeys(range(40, 3000), 1))
    cache.save(path)
    assert largest < 3_000_000
    loaded: Cache[int, Any] = Cache(3000)
    assert loaded.load(path).stored == 3000
