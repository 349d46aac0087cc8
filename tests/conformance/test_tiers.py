"""What `augury.tiers.Tier` promises, for every tier, from threads and from coroutines."""

import asyncio
import contextlib
import importlib
import os
import pkgutil
import sys
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.errors import AuguryError, TierError
from augury.tiers import ABSENT, Entry, Lease, Tier
from tests.conformance import tiers

MAKERS = sorted(name for _, name, _ in pkgutil.iter_modules(tiers.__path__))
OPERATIONS = (
    "get_many", "set_many", "delete_many", "lease_many", "fill_many", "release_many",
    "get_changed", "clear", "health", "close",
)  # fmt: skip


class Blocking:
    """Calls a tier as threads do."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tier, name)

    def finish(self) -> None:
        pass


class Awaiting(Blocking):
    """Calls a tier as coroutines do."""

    def __init__(self, tier: Tier) -> None:
        super().__init__(tier)
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Any:
        if name not in OPERATIONS:
            return getattr(self.tier, name)
        method = getattr(self.tier, f"a{name}")
        return lambda *args: self._runner.run(method(*args))

    def finish(self) -> None:
        self._runner.run(self.tier.aclose())
        self._runner.close()


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[Path], AbstractContextManager[Tier]]:
    module = importlib.import_module(f"tests.conformance.tiers.{request.param}")
    found: Callable[[Path], AbstractContextManager[Tier]] = module.make
    return found


@pytest.fixture(params=[Blocking, Awaiting], ids=["threads", "coroutines"])
def tier(
    request: pytest.FixtureRequest,
    make: Callable[[Path], AbstractContextManager[Tier]],
    tmp_path: Path,
) -> Iterator[Any]:
    with make(tmp_path) as opened:
        way = request.param(opened)
        yield way
        way.finish()


def soon(seconds: float = 60.0) -> float:
    """A moment in the future that a frame of microseconds keeps as it is."""
    return round(time.time() + seconds, 3)


def held(tier: Any, *keys: Hashable) -> dict[Any, Any]:
    """The values, or leases, under these keys."""
    found = tier.get_many(keys)
    return {key: it.value if isinstance(it, Entry) else it for key, it in found.items()}


VALUES = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "ä",
    b"\x00\xff",
    [1, (2, "x")],
    {"a": {1: None}},
    ABSENT,
]
KEYS: list[Hashable] = [
    "a",
    "",
    "ä\n ",
    7,
    7.0,
    True,
    None,
    b"7",
    ("user", 42),
    "k" * 1_000,
    -(2**80),
]


def test_it_has_a_name(tier: Any) -> None:
    assert isinstance(tier.name, str)
    assert tier.name


def test_nothing_is_there_at_first(tier: Any) -> None:
    assert tier.get_many(["a", "b"]) == {}
    assert tier.get_many([]) == {}


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was(tier: Any, value: object) -> None:
    tier.set_many({"a": Entry(value)})
    back = tier.get_many(["a"])["a"].value
    assert back == value
    assert type(back) is type(value)


def test_all_that_an_entry_says_comes_back(tier: Any) -> None:
    entry = Entry(
        "v",
        written=soon(0),
        fresh_until=soon(30),
        expires=soon(60),
        cost=0.25,
        tags=(("t", b"g" * 16), ("ü", b"h" * 16)),
    )
    tier.set_many({"a": entry})
    assert tier.get_many(["a"]) == {"a": entry}


def test_equal_keys_of_unequal_types_may_share_but_others_never(tier: Any) -> None:
    tier.set_many({key: Entry(index) for index, key in enumerate(KEYS)})
    for index, key in enumerate(KEYS):
        same = [at for at, other in enumerate(KEYS) if other == key]
        assert held(tier, key).get(key, index) in same


def test_many_at_once(tier: Any) -> None:
    tier.set_many({i: Entry(i * i) for i in range(1_000)})
    assert held(tier, *range(2_000)) == {i: i * i for i in range(1_000)}
    tier.delete_many(list(range(0, 1_000, 2)))
    assert held(tier, *range(1_000)) == {i: i * i for i in range(1, 1_000, 2)}


def test_large_values(tier: Any) -> None:
    value = os.urandom(300_000)
    tier.set_many({"a": Entry(value), "b": Entry("x" * 900_000)})
    assert held(tier, "a", "b") == {"a": value, "b": "x" * 900_000}


def test_the_last_write_stays(tier: Any) -> None:
    tier.set_many({"a": Entry(1)})
    tier.set_many({"a": Entry(2)})
    assert held(tier, "a") == {"a": 2}
    tier.delete_many(["a", "never there"])
    assert held(tier, "a") == {}


def test_what_has_expired_is_gone(tier: Any) -> None:
    tier.set_many({"past": Entry(1, expires=soon(-1)), "soon": Entry(1, expires=soon(0.3))})
    assert held(tier, "past") == {}
    while time.time() < soon(0) + 0.4 and held(tier, "soon"):
        time.sleep(0.02)
    assert held(tier, "soon") == {}


@pytest.mark.parametrize("expires", [1e12, 1e15, 1e300, sys.float_info.max])
def test_what_expires_after_the_end_of_the_world_is_kept(tier: Any, expires: float) -> None:
    tier.set_many({"a": Entry(1, expires=expires)})
    assert tier.get_many(["a"])["a"].value == 1


def test_an_entry_that_has_expired_replaces_an_older_one(tier: Any) -> None:
    tier.set_many({"a": Entry(1)})
    tier.set_many({"a": Entry(2, expires=soon(-1))})
    assert held(tier, "a") == {}


def test_a_lease_is_placed_where_nothing_is(tier: Any) -> None:
    lease = Lease(soon())
    tier.set_many({"there": Entry(1)})
    in_the_way = tier.lease_many(["there", "not"], lease)
    assert {key: it.value for key, it in in_the_way.items()} == {"there": 1}
    assert held(tier, "not") == {"not": lease}


def test_one_lease_at_a_time(tier: Any) -> None:
    first, second = Lease(soon()), Lease(soon())
    assert tier.lease_many(["a"], first) == {}
    assert tier.lease_many(["a"], second) == {"a": first}
    assert tier.fill_many({"a": Entry(2)}, second) == set()
    assert tier.fill_many({"a": Entry(1)}, first) == {"a"}
    assert held(tier, "a") == {"a": 1}
    assert tier.fill_many({"a": Entry(3)}, first) == set()


def test_a_lease_ends_in_time(tier: Any) -> None:
    ended, lease = Lease(soon(0.05)), Lease(soon())
    tier.lease_many(["a", "b"], ended)
    time.sleep(0.1)
    assert tier.get_many(["a"]) == {}
    assert tier.fill_many({"a": Entry(1)}, ended) == set()
    assert tier.lease_many(["b"], lease) == {}
    assert tier.fill_many({"b": Entry(1)}, ended) == set()
    assert tier.fill_many({"b": Entry(2)}, lease) == {"b"}


@pytest.mark.parametrize("write", ["set", "delete", "clear"])
def test_any_write_ends_a_lease(tier: Any, write: str) -> None:
    lease = Lease(soon())
    tier.lease_many(["a"], lease)
    if write == "set":
        tier.set_many({"a": Entry("new")})
    elif write == "delete":
        tier.delete_many(["a"])
    else:
        tier.clear()
    assert tier.fill_many({"a": Entry("old")}, lease) == set()
    assert held(tier, "a") == ({"a": "new"} if write == "set" else {})


def test_a_released_lease_is_gone_and_another_is_not(tier: Any) -> None:
    mine, other = Lease(soon()), Lease(soon())
    tier.lease_many(["a"], mine)
    tier.lease_many(["b"], other)
    tier.set_many({"c": Entry(1)})
    tier.release_many(["a", "b", "c", "d"], mine)
    assert held(tier, "a", "b", "c", "d") == {"b": other, "c": 1}


def test_a_writer_takes_over_from_entries_and_loaders_but_not_from_writers(tier: Any) -> None:
    loader, writer = Lease(soon()), Lease(soon(), writes=True)
    tier.lease_many(["leased"], loader)
    tier.set_many({"there": Entry(1)})
    keys = ["leased", "there", "nothing"]
    assert tier.lease_many(keys, writer) == {}
    assert tier.get_many(keys) == dict.fromkeys(keys, writer)
    assert tier.lease_many(keys, Lease(soon(), writes=True)) == dict.fromkeys(keys, writer)
    assert tier.lease_many(keys, Lease(soon())) == dict.fromkeys(keys, writer)
    assert tier.fill_many({"leased": Entry("old")}, loader) == set()
    assert tier.fill_many(dict.fromkeys(keys, Entry("new")), writer) == set(keys)
    assert held(tier, *keys) == dict.fromkeys(keys, "new")


def test_a_lease_may_be_filled_with_what_has_expired(tier: Any) -> None:
    lease = Lease(soon())
    tier.lease_many(["a"], lease)
    tier.fill_many({"a": Entry(1, expires=soon(-1))}, lease)
    assert tier.get_many(["a"]) == {}


def test_an_entry_is_replaced_only_if_it_is_the_one_that_was_seen(tier: Any) -> None:
    seen, other, lease = Entry("seen"), Entry("other"), Lease(soon())
    tier.set_many({"same": seen, "changed": other, "gone": seen})
    tier.delete_many(["gone"])
    tier.lease_many(["leased"], lease)
    keys = ["same", "changed", "gone", "leased"]
    versions = dict.fromkeys(keys, seen.version) | {"leased": lease.token}
    assert tier.replace_many(dict.fromkeys(keys, Entry("new")), versions) == {"same"}
    assert held(tier, *keys) == {"same": "new", "changed": "other", "leased": lease}


def test_only_what_has_changed(tier: Any) -> None:
    same, old, new, lease = Entry(1), Entry(2), Entry(3), Lease(soon())
    tier.set_many({"same": same, "changed": new, "gone": old})
    tier.delete_many(["gone"])
    tier.lease_many(["leased"], lease)
    versions = {"same": same.version, "changed": old.version, "gone": old.version}
    versions["leased"] = old.version
    versions["unknown"] = b""
    tier.set_many({"unknown": new})
    assert tier.get_changed(versions) == {
        "changed": new,
        "gone": None,
        "leased": lease,
        "unknown": new,
    }
    assert tier.get_changed({}) == {}


def test_clear(tier: Any) -> None:
    tier.set_many({i: Entry(i) for i in range(1_500)})
    tier.clear()
    assert tier.get_many(range(1_500)) == {}
    tier.set_many({1: Entry("again")})
    assert held(tier, 1) == {1: "again"}


def test_health(tier: Any) -> None:
    health = tier.health()
    assert health.up
    assert health.seconds >= 0
    assert "\n" not in str(health)


def test_closed(tier: Any) -> None:
    tier.close()
    tier.close()
    lease = Lease(soon())
    calls: list[Callable[[], object]] = [
        lambda: tier.get_many(["a"]),
        lambda: tier.set_many({"a": Entry(1)}),
        lambda: tier.delete_many(["a"]),
        lambda: tier.lease_many(["a"], lease),
        lambda: tier.fill_many({"a": Entry(1)}, lease),
        lambda: tier.release_many(["a"], lease),
        lambda: tier.replace_many({"a": Entry(1)}, {"a": b"v" * 16}),
        lambda: tier.get_changed({"a": b"v" * 16}),
        tier.clear,
    ]
    for call in calls:
        with pytest.raises(TierError, match="closed"):
            call()
    assert not tier.health().up


def test_keys_and_values_without_an_encoding(tier: Any) -> None:
    """Outside the process they are refused, with nothing stored; in memory they are fine."""

    class Mine:
        pass

    refused = 0
    for entries in ({Mine(): Entry(1)}, {"a": Entry(Mine())}):
        with contextlib.suppress(AuguryError):
            tier.set_many(entries)
            continue
        refused += 1
        with pytest.raises(AuguryError, match=r"^[^\n]*Mine[^\n]*$"):
            tier.set_many(entries)
        assert tier.get_many(["a"]) == {}
    assert refused in {0, 2}


def test_threads(make: Callable[[Path], AbstractContextManager[Tier]], tmp_path: Path) -> None:
    """Of many who want the same leases one gets each; nobody reads what was never written."""
    with make(tmp_path) as tier:
        won: list[set[Any]] = []
        keys = list(range(20))
        failures: list[BaseException] = []
        start = threading.Barrier(8)

        def run(me: int) -> None:
            try:
                start.wait()
                lease = Lease(soon())
                mine = set(keys) - set(tier.lease_many(keys, lease))
                won.append(tier.fill_many({key: Entry((key, me)) for key in mine}, lease))
                for key, found in tier.get_many(keys).items():
                    if isinstance(found, Entry):
                        assert found.value[0] == key
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(me,)) for me in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert sorted(key for mine in won for key in mine) == keys


def test_a_forked_process_goes_on(
    make: Callable[[Path], AbstractContextManager[Tier]], tmp_path: Path
) -> None:
    with make(tmp_path) as tier:
        tier.set_many({"a": Entry(1)})
        if (child := os.fork()) == 0:
            status = 1
            try:
                found = held(tier, "a")
                tier.set_many({"b": Entry(2)})
                status = 0 if found == {"a": 1} and held(tier, "b") == {"b": 2} else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert held(tier, "a", "b") == ({"a": 1, "b": 2} if tier.shared else {"a": 1})
        tier.set_many({"c": Entry(3)})
        assert held(tier, "c") == {"c": 3}


@dataclass
class Model:
    """What a tier does, written with a dict."""

    held: dict[Hashable, Entry | Lease]

    def get_many(self, keys: Collection[Hashable]) -> dict[Hashable, Entry | Lease]:
        return {key: self.held[key] for key in keys if key in self.held}

    def set_many(self, entries: Mapping[Hashable, Entry]) -> None:
        self.held.update(entries)

    def delete_many(self, keys: Collection[Hashable]) -> None:
        for key in keys:
            self.held.pop(key, None)

    def lease_many(self, keys: Collection[Hashable], lease: Lease) -> dict[Hashable, Entry | Lease]:
        way = {}
        for key in keys:
            there = self.held.get(key)
            if there is None or (lease.writes and not (isinstance(there, Lease) and there.writes)):
                self.held[key] = lease
            else:
                way[key] = there
        return way

    def fill_many(self, entries: Mapping[Hashable, Entry], lease: Lease) -> set[Hashable]:
        mine = {key for key in entries if self.held.get(key) == lease}
        self.held.update({key: entries[key] for key in mine})
        return mine

    def release_many(self, keys: Collection[Hashable], lease: Lease) -> None:
        for key in keys:
            if self.held.get(key) == lease:
                del self.held[key]


some_keys = st.lists(st.integers(0, 5), max_size=4, unique=True)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(OPERATIONS[:6]), some_keys, st.integers(0, 3), st.booleans()),
        max_size=30,
    )
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_order_of_operations(tier: Any, steps: list[tuple[str, list[int], int, bool]]) -> None:
    tier.clear()
    model = Model({})
    leases = [Lease(soon(600), writes=number % 2 == 1) for number in range(4)]
    for name, keys, number, absent in steps:
        entries = {key: Entry(ABSENT if absent else [key, number]) for key in keys}
        arguments: tuple[Any, ...] = {
            "set_many": (entries,),
            "lease_many": (keys, leases[number]),
            "fill_many": (entries, leases[number]),
            "release_many": (keys, leases[number]),
        }.get(name, (keys,))
        expected = getattr(model, name)(*arguments)
        # A tier may forget at any time, but none of those tested here has a reason to.
        assert getattr(tier, name)(*arguments) == expected, name
    assert tier.get_many(range(6)) == model.held


def test_every_operation_has_a_twin() -> None:
    for name in OPERATIONS:
        one, twin = getattr(Tier, name), getattr(Tier, f"a{name}")
        assert asyncio.iscoroutinefunction(twin)
        assert get_type_hints(one) == get_type_hints(twin)
