"""`augury.Tiers` and what users get wrong: values, keys, tags, loaders, listeners."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from augury.codecs import Serializer
from augury.errors import CodecError, ConfigurationError, KeyEncodingError
from augury.events import Fault, Trouble
from augury.sources import Coalesced, Loader, Source
from augury.tiers import Entry, Lease, Memory, Tiers
from augury.tiers.frame import address
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held


class Uncarried:
    """No codec takes it."""


class Picky(Shared):
    """A last tier whose values have to become bytes."""

    def set_many(self, entries: Mapping[Any, Entry]) -> None:
        self._check(entries)
        super().set_many(entries)

    def fill_many(self, entries: Mapping[Any, Entry], lease: Lease) -> set[Any]:
        self._check(entries)
        return super().fill_many(entries, lease)

    def replace_many(self, entries: Mapping[Any, Entry], versions: Mapping[Any, bytes]) -> set[Any]:
        self._check(entries)
        return super().replace_many(entries, versions)

    def _check(self, entries: Mapping[Any, Entry]) -> None:
        for entry in entries.values():
            if isinstance(entry.value, Uncarried):
                Serializer().dumps(entry.value)


# Values that a tier cannot carry


def test_a_read_returns_what_the_last_tier_cannot_carry() -> None:
    faults: list[Fault] = []
    shared, odd = Picky(), Uncarried()
    source = Rows({"odd": odd, "plain": 1})
    tiers: Tiers[str, Any] = Tiers(
        [Memory(10), shared], source=source, ttl=60, on_fault=faults.append
    )
    assert tiers.get_many(["odd", "plain"]) == {"odd": odd, "plain": 1}
    assert held(shared, "odd", "plain") == {"plain": 1}  # no lease is left for others to wait for
    assert [(fault.trouble, fault.tier) for fault in faults] == [(Trouble.DROPPED, "shared")]
    assert "no codec carries a value of type" in faults[0].reason
    assert tiers["odd"] is odd
    assert source.asked == ["odd", "plain"]  # memory carries anything


@pytest.mark.parametrize("consistency", ["ttl", "tracked", "validated"])
def test_coroutines_get_what_the_last_tier_cannot_carry(consistency: Any) -> None:
    odd = Uncarried()
    tiers: Tiers[str, Any] = Tiers(
        [Memory(10), Picky()], source=lambda _: odd, ttl=60, consistency=consistency
    )

    async def read() -> list[Any]:
        return [await tiers.aget("a"), await tiers.aget("a")]

    assert asyncio.run(read()) == [odd, odd]


def test_a_write_to_the_source_does_not_fail_for_a_tier_that_cannot_carry_it() -> None:
    shared, rows, odd = Picky(), Rows({"a": 1}, writable=True), Uncarried()
    tiers: Tiers[str, Any] = Tiers([Memory(10), shared], source=rows, ttl=60)
    assert tiers["a"] == 1
    tiers["a"] = odd
    assert rows.rows == {"a": odd}
    assert held(shared, "a") == {}
    assert tiers["a"] is odd


def test_a_write_that_no_tier_and_no_source_takes_says_so() -> None:
    tiers: Tiers[str, Any] = Tiers([Memory(10), Picky()], ttl=60)
    tiers["a"] = 1
    with pytest.raises(CodecError, match="no codec carries"):
        tiers["a"] = Uncarried()
    assert tiers["a"] == 1


def test_a_refreshed_value_that_cannot_be_carried_ends_the_old_one() -> None:
    values: list[Any] = [1, Uncarried()]
    shared = Picky()
    tiers: Tiers[str, Any] = Tiers(
        [shared], source=lambda _: values[0], ttl=0.001, stale=3600, jitter=0.0, eagerness=0.0
    )
    assert tiers["a"] == 1
    del values[0]
    assert eventually(lambda: tiers["a"] is values[0])


# Loaders


def test_a_loader_that_raises_stop_iteration_ends_everywhere() -> None:
    def load(_: str) -> Any:
        raise StopIteration("no more")

    async def read(source: Any) -> None:
        tiers: Tiers[str, Any] = Tiers([Memory(10)], source=source)
        await tiers.aget("a")

    for source in (load, Coalesced(Loader(load))):
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            Tiers([Memory(10)], source=source).get("a")
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            asyncio.run(asyncio.wait_for(read(source), 10))


def test_a_source_that_returns_no_mapping_is_told_so() -> None:
    class Forgetful(Source[Any, Any]):
        def load_many(self, keys: Collection[Any]) -> Any:
            pass

    for source in (Forgetful(), Coalesced(Forgetful())):
        tiers: Tiers[str, Any] = Tiers([Memory(10)], source=source)
        with pytest.raises(ConfigurationError, match="must return a dict"):
            tiers.get("a")
        with pytest.raises(ConfigurationError, match="must return a dict"):
            asyncio.run(tiers.aget("a"))


# Listeners, and the thread that writes


def broken(_: object) -> None:
    raise ValueError("a listener's own mistake")


def test_a_broken_listener_breaks_nothing() -> None:
    shared = Shared()
    shared.down = True
    tiers: Tiers[str, Any] = Tiers(
        [Memory(10), shared], source=lambda _: 1, ttl=60, on_fault=broken
    )
    assert tiers["a"] == 1


def failing_once(error: BaseException) -> Callable[[str, Any], None]:
    errors = [error]

    def store(_key: str, _value: Any) -> None:
        if errors:
            raise errors.pop()

    return store


@pytest.mark.parametrize("error", [SystemExit("stop"), KeyboardInterrupt(), ValueError("no")])
def test_what_a_source_raises_does_not_end_the_thread_that_writes(error: BaseException) -> None:
    tiers: Tiers[str, int] = Tiers(
        [Memory(10)],
        source=Loader(lambda _: 0, store=failing_once(error), remove=print),
        write="behind",
        on_fault=broken,
    )
    tiers["a"] = 1
    with pytest.raises((RuntimeError, ValueError)):
        tiers.flush()
    tiers["b"] = 2
    tiers.flush()
    tiers.close()


_EXITS = """
import atexit, time
from augury.sources import Loader
from augury.tiers import Memory, Tiers
rows = {}
atexit.register(lambda: print(len(rows)))  # as closing a database would
def store(key, value):
    time.sleep(0.01)
    rows[key] = value
tiers = Tiers([Memory(10)], source=Loader(rows.get, store=store, remove=print), write="behind")
tiers.set_many(dict.fromkeys(range(20)))
"""


def test_an_exit_writes_what_waits_before_what_was_opened_earlier_is_closed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _EXITS], capture_output=True, check=True, text=True
    )
    assert (ended.stdout, ended.stderr) == ("20\n", "")


def test_what_is_stale_is_refreshed_without_a_memory_above() -> None:
    values = [1, 2]
    tiers: Tiers[str, Any] = Tiers(
        [Shared()], source=lambda _: values[0], ttl=0.001, stale=3600, jitter=0.0
    )
    assert tiers["a"] == 1
    del values[0]
    assert eventually(lambda: tiers["a"] == 2)


# Tags


@pytest.mark.parametrize("tags", ["org", 5, None, [5], [""], b"org"])
def test_tags_that_are_no_names_are_refused(tags: Any) -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=lambda _: 1, tags=lambda _: tags)
    with pytest.raises(ConfigurationError, match="tags are several names"):
        tiers.get("a")
    with pytest.raises(ConfigurationError, match="tags are several names"):
        tiers.set("b", 1, tags=tags)
    if not isinstance(tags, list) and tags != "org":
        with pytest.raises(ConfigurationError, match="tags are several names"):
            tiers.invalidate_tag(tags)


def test_an_empty_tag_does_not_drop_everything() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)])
    tiers["a"] = 1
    with pytest.raises(ConfigurationError, match="tags are several names"):
        tiers.invalidate_tag("")
    assert tiers["a"] == 1


def test_what_is_set_has_to_be_a_mapping() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)])
    for items in ([("a", 1)], None):
        with pytest.raises(ConfigurationError, match="items must be a Mapping"):
            tiers.set_many(items)  # type: ignore[arg-type]


def test_tiers_cannot_be_iterated() -> None:
    source = Rows()
    with pytest.raises(TypeError, match="not iterable"):
        list(Tiers([Memory(10)], source=source))  # type: ignore[call-overload]
    assert source.asked == []


def test_a_key_without_an_encoding_is_called_a_key() -> None:
    with pytest.raises(KeyEncodingError, match=r"^key: cannot make a stable key from"):
        address(("namespace", object()))
