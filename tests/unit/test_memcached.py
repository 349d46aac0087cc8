"""What only the Memcached tier has to get right, on real servers."""

import os
import threading
import time
import uuid
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from augury.errors import ConfigurationError, CorruptValueError
from augury.tiers import Entry, Lease
from augury.tiers.memcached.server import LARGEST_ITEM, Link, Server
from augury.tiers.memcached.tier import Memcached, _exptime
from tests.servers.memcached import memcached, shared_servers

DAY = 24 * 60 * 60


def opened(*addresses: str, namespace: str | None = None, item_size: int = 2**20) -> Memcached:
    # Nothing here is about time, and the machine may be busy.
    return Memcached(
        addresses, namespace=namespace or uuid.uuid4().hex, timeout=10.0, item_size=item_size
    )


@pytest.fixture
def addresses() -> list[str]:
    return [server.address for server in shared_servers(2)]


@pytest.fixture
def tier(addresses: list[str]) -> Iterator[Memcached]:
    tier = opened(*addresses)
    yield tier
    tier.close()


def values(tier: Memcached, *keys: object) -> dict[object, Any]:
    found = tier.get_many(keys)
    return {key: it.value for key, it in found.items() if isinstance(it, Entry)}


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (float("inf"), 0),
        (999.0, -1),
        (1000.0, -1),
        (1000.1, 2),
        (1001.0, 2),
        (1000.0 + 30 * DAY - 1, 30 * DAY),
        (1000.0 + 30 * DAY, 1001 + 30 * DAY),
        (2.0**31, 0),
    ],
)
def test_servers_keep_what_may_still_be_served(until: float, expected: int) -> None:
    assert _exptime(until, 1000.0) == expected


def test_servers_keep_what_expires_after_more_than_a_month(tier: Memcached) -> None:
    for days in (29, 31, 400, 40_000):
        tier.set_many({days: Entry(days, expires=time.time() + days * DAY)})
    assert values(tier, 29, 31, 400, 40_000) == {d: d for d in (29, 31, 400, 40_000)}


def test_keys_are_spread_over_servers_and_stay_there(addresses: list[str]) -> None:
    namespace = uuid.uuid4().hex
    one, reversed_ = (opened(*order, namespace=namespace) for order in (addresses, addresses[::-1]))
    first, second = (opened(address, namespace=namespace) for address in addresses)
    one.set_many({key: Entry(key) for key in range(200)})
    assert len(reversed_.get_many(range(200))) == 200
    at_first, at_second = first.get_many(range(200)), second.get_many(range(200))
    assert len(at_first) + len(at_second) == 200
    assert min(len(at_first), len(at_second)) > 50
    for tier in (one, reversed_, first, second):
        tier.close()


def test_namespaces_do_not_see_one_another(addresses: list[str]) -> None:
    base = uuid.uuid4().hex
    tiers = [opened(*addresses, namespace=base + more) for more in ("", ":", ":b", "%b", "b")]
    for number, tier in enumerate(tiers):
        tier.set_many({"a": Entry(number)})
    assert [values(tier, "a") for tier in tiers] == [{"a": number} for number in range(5)]
    for number, tier in enumerate(tiers):
        tier.clear()
        assert values(tier, "a") == {}
        assert [values(other, "a") for other in tiers[number + 1 :]] == [
            {"a": later} for later in range(number + 1, 5)
        ]
        tier.close()


@pytest.mark.parametrize("namespace", ["", "a b", "ä", "n" * 201, "a\n", "a\r\nflush_all\r\n"])
def test_bad_namespaces(namespace: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^namespace must be [^\n]*$"):
        Memcached("127.0.0.1:1", namespace=namespace)


@pytest.mark.parametrize(
    "servers",
    [
        *([], ["a:1", "a:1"], ["a", "a:11211"]),
        *(["a:b"], [""], [":1"], ["a:0"], ["a:70000"], ["unix:"], [7]),
    ],
)
def test_bad_servers(servers: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]*Memcached server[^\n]*$"):
        Memcached(servers)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_bad_timeouts(timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        Memcached("a:1", timeout=timeout)


@pytest.mark.parametrize("item_size", [0, LARGEST_ITEM + 1])
def test_bad_item_sizes(item_size: int) -> None:
    with pytest.raises(ConfigurationError, match="item_size"):
        Memcached("a:1", item_size=item_size)


@pytest.mark.parametrize("known", [True, False], ids=["known to the tier", "told by the server"])
def test_what_is_too_large_is_forgotten_and_reported_once(
    addresses: list[str], caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    tier = opened(*addresses, item_size=2**20 if known else LARGEST_ITEM)
    large = Entry(os.urandom(1_600_000))
    keys = list(range(10))
    tier.set_many({key: Entry("old") for key in keys})
    new: dict[Hashable, Entry] = {key: large if key % 3 == 0 else Entry(key) for key in keys}
    small = {key: key for key in keys if key % 3}
    tier.set_many(new)
    assert values(tier, *keys) == small
    assert [record.name for record in caplog.records] == ["augury.tiers"]

    tier.delete_many(keys)
    lease = Lease(time.time() + 60)
    assert tier.lease_many(keys, lease) == {}
    assert tier.fill_many(new, lease) == set(keys)
    assert values(tier, *keys) == small
    assert tier.lease_many([0], Lease(time.time() + 60)) == {}

    old = tier.get_many([1, 2])
    versions = {key: it.version for key, it in old.items() if isinstance(it, Entry)}
    assert tier.replace_many({1: large, 2: Entry("new")}, versions) == {1, 2}
    assert values(tier, 1, 2) == {2: "new"}
    assert len(caplog.records) == 1
    tier.close()


@contextmanager
def linked(address: str) -> Iterator[Link]:
    server = Server(address, 10.0)
    with server.link() as link:
        yield link
    server.close()


def test_corrupt_and_foreign_bytes_are_reported_and_replaced(addresses: list[str]) -> None:
    tier = opened(addresses[0])
    told: list[CorruptValueError] = []
    tier.on_corrupt = told.append
    tier.set_many({"a": Entry(1), "b": Entry(2)})
    with linked(addresses[0]) as link:
        first, second = link.names(tier._prefix, len(tier._prefix) + 22)
        swapped = link.fetch([first])[first][0]
        link.send([b"set %s 0 0 %d\r\n%s\r\n" % (second, len(swapped), swapped)], b"STORED")
        link.send([b"set %s 0 0 7\r\nforeign\r\n" % first], b"STORED")
    assert tier.get_many(["a", "b"]) == {}
    assert len(told) == 2
    lease = Lease(time.time() + 60)
    assert tier.lease_many(["a", "b"], lease) == {}
    assert tier.fill_many({"a": Entry(3), "b": Entry(4)}, lease) == {"a", "b"}
    assert values(tier, "a", "b") == {"a": 3, "b": 4}
    tier.close()


def test_a_released_lease_leaves_nothing_on_the_server(tier: Memcached) -> None:
    lease = Lease(time.time() + 60)
    tier.lease_many(["a"], lease)
    tier.release_many(["a"], lease)
    for server in tier._servers.values():
        with server.link() as link:
            names = link.names(tier._prefix, len(tier._prefix) + 22)
            assert link.fetch(names) == {}


def test_more_keys_than_one_round_trip_takes(tier: Memcached) -> None:
    entries: dict[Hashable, Entry] = {key: Entry(key) for key in range(5_000)}
    lease = Lease(time.time() + 600)
    assert tier.lease_many(entries, lease) == {}
    assert tier.fill_many(entries, lease) == set(entries)
    assert len(tier.get_many(entries)) == 5_000
    assert len(tier.lease_many(entries, lease)) == 5_000
    tier.clear()
    assert tier.get_many(entries) == {}


def test_large_batches_are_not_held_up_by_their_replies(tier: Memcached) -> None:
    """What the server says to so many commands fits into the buffers, before anybody reads."""
    server = next(iter(tier._servers.values()))
    with server.link() as link:
        link.version()
        link.client.sock.settimeout(10.0)
        link.client.sock.sendall(b"delete nobody\r\n" * 1_000)
        time.sleep(0.2)
        link.client.sock.sendall(b"delete nobody\r\n")
        received = b""
        while received.count(b"\n") < 1_001:
            received += link.client.sock.recv(65_536)


def test_no_replacement_is_lost_among_many(addresses: list[str]) -> None:
    namespace = uuid.uuid4().hex
    keys: list[Hashable] = ["a", "b", "c"]
    failures: list[BaseException] = []
    won: list[int] = []

    def count_up() -> None:
        mine = opened(*addresses, namespace=namespace)
        try:
            for _ in range(50):
                seen = mine.get_many(keys)
                assert all(isinstance(it, Entry) for it in seen.values())
                versions = {k: it.version for k, it in seen.items() if isinstance(it, Entry)}
                more = {k: Entry(it.value + 1) for k, it in seen.items() if isinstance(it, Entry)}
                won.append(len(mine.replace_many(more, versions)))
        except BaseException as error:
            failures.append(error)
        mine.close()

    tier = opened(*addresses, namespace=namespace)
    tier.set_many({key: Entry(0) for key in keys})
    threads = [threading.Thread(target=count_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sum(values(tier, *keys).values()) == sum(won)
    assert sum(won) >= 50
    tier.close()


def test_a_unix_socket(tmp_path: Path) -> None:
    with memcached(path=tmp_path / "socket") as server:
        tier = opened(server.address)
        tier.set_many({"a": Entry(1)})
        assert values(tier, "a") == {"a": 1}
        assert tier.health().up
        tier.close()


def test_connections_are_used_again_and_closed(tier: Memcached) -> None:
    tier.set_many({key: Entry(key) for key in range(100)})
    for _ in range(20):
        assert len(tier.get_many(range(100))) == 100
    assert [len(server._idle) for server in tier._servers.values()] == [1, 1]
    server = next(iter(tier._servers.values()))
    with server.link() as link:
        link.version()
        tier.close()
        assert link.client.sock is not None
    assert link.client.sock is None
    assert not server._idle


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymemcache.client.base", None)
    with pytest.raises(ImportError, match=r"pip install 'augury\[memcached\]'"):
        Memcached("a:1")
