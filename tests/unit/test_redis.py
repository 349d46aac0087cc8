"""What only a tier in Redis promises: addresses, round trips, connections, corrupt bytes."""

import asyncio
import builtins
import gc
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.sentinel import Sentinel

from augury.errors import ConfigurationError, CorruptValueError, MissingExtraError, TierError
from augury.tiers import Entry, Lease, frame
from augury.tiers.redis import Redis
from augury.tiers.redis.address import Address, Node, address_of
from tests.servers.valkey import Valkey, shared, shared_cluster, valkey

PATIENT = 5.0
LEASE = Lease(2e9)


@pytest.fixture
def tier() -> Iterator[Redis]:
    opened = Redis(shared().url, namespace=uuid.uuid4().hex, timeout=PATIENT)
    yield opened
    opened.close()


def stored(tier: Redis, key: Any) -> bytes:
    """What the server knows a key by."""
    return tier._operations.name(frame.address(key))


def commands(server: Valkey) -> dict[str, int]:
    """How often each command has been called."""
    told = server.ask("INFO", "commandstats")
    return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in told.items()}


# Where servers are.


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", Address((Node("h", 6379),), "Connection", {})),
        ("redis://", Address((Node("localhost", 6379),), "Connection", {})),
        (
            "redis://u:p%40@[::1]:1/2",
            Address(
                (Node("::1", 1),), "Connection", {"username": "u", "password": "p@", "db": 2}
            ),
        ),
        (
            "rediss://h:1?ssl_ca_certs=/x&socket_timeout=9",
            Address((Node("h", 1),), "SSLConnection", {"ssl_ca_certs": "/x"}),
        ),
        (
            "unix:///run/x?db=3",
            Address((Node("/run/x", 0),), "UnixDomainSocketConnection", {"db": 3}),
        ),
        (
            "redis+cluster://u:p@a:1,b:2,[::1]:3",
            Address(
                (Node("a", 1), Node("b", 2), Node("::1", 3)),
                "Connection",
                {"username": "u", "password": "p"},
                cluster=True,
            ),
        ),
        ("rediss+cluster://a", Address((Node("a", 6379),), "SSLConnection", {}, cluster=True)),
        (
            "redis+cluster://a?password=p%26db%3D3%25%2B",
            Address((Node("a", 6379),), "Connection", {"password": "p&db=3%+"}, cluster=True),
        ),
        (
            "redis+sentinel://:p@a,b:2/my%20service/3?sentinel_password=s",
            Address(
                (Node("a", 26379, True), Node("b", 2, True)),
                "Connection",
                {"password": "p", "db": 3},
                service="my service",
                sentinel_options={"password": "s"},
            ),
        ),
    ],
)  # fmt: skip
def test_urls(url: str, expected: Address) -> None:
    assert address_of(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://h", "h:6379", "", "redis+sentinel://h", "redis+sentinel://h/", "redis://h:port",
        "redis+cluster://h/1", "redis+magic://h", "redis://h?db=x", "redis+cluster://h:1,h:x",
        "redis://user:secret@h:port", "redis:user:secret", "redis://h?password=secret&db=x",
        "redis://:a/secret@h:1", "redis://:secret/a@h:1", "redis://:a?secret@h:x",
        "redis://h:x?password=a@secret",
        "redis+cluster://h:x?password=secret", "redis://user:a?secret@h:port", "user:secret@h",
        "reds://h?password=secret", "redis+cluster://h?db=3",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]+$") as caught:
        Redis(url)
    assert "secret" not in str(caught.value)


def test_other_mistakes_are_refused() -> None:
    for where in (7, None, b"redis://h", object()):
        with pytest.raises(ConfigurationError, match="URL"):
            Redis(where)  # type: ignore[arg-type]
    for options in ({"namespace": ""}, {"namespace": "x" * 201}, {"timeout": 0}, {"timeout": -1}):
        with pytest.raises(ConfigurationError):
            Redis("redis://h", **options)


def test_without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "redis":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="redis"):
        Redis("redis://h")


def test_a_client_says_where() -> None:
    port = shared().port
    clients: list[Any] = [
        redis.Redis(port=port, decode_responses=True, protocol=3, db=1, client_name="mine"),
        redis.Redis.from_url(shared().url, socket_timeout=1e-9),
        redis.RedisCluster("127.0.0.1", shared_cluster().nodes[0].port),
    ]
    for client in clients:
        tier = Redis(client, namespace=uuid.uuid4().hex, timeout=PATIENT)
        tier.set_many({"a": Entry(b"\xff"), "b": Entry(2)})
        assert tier.get_many(["a"])["a"].value == b"\xff"  # type: ignore[union-attr]
        assert asyncio.run(tier.aget_many(["a"]))["a"].value == b"\xff"  # type: ignore[union-attr]
        tier.close()
        client.ping()
        client.close()


def test_a_client_of_a_sentinel_says_where() -> None:
    watched: Any = Sentinel(  # type: ignore[no-untyped-call]
        [("a", 1), ("b", 2)], sentinel_kwargs={"password": "s"}, password="p"
    )
    found = address_of(watched.master_for("mine", db=2))
    assert found.seeds == (Node("a", 1, True), Node("b", 2, True))
    assert (found.service, found.options) == ("mine", {"password": "p", "db": 2})
    assert found.sentinel_options is not None
    assert found.sentinel_options["password"] == "s"


def test_a_unix_socket(tmp_path: Path) -> None:
    with valkey(unixsocket=str(tmp_path / "socket")):
        tier = Redis(f"unix://{tmp_path}/socket", timeout=PATIENT)
        tier.set_many({"a": Entry(1)})
        assert asyncio.run(tier.aget_many(["a"])).keys() == {"a"}
        tracking = tier.track()
        while not tracking.trusted:
            tracking.poll()
        tier.close()


# Round trips.


def test_one_command_reads_all_keys(tier: Redis) -> None:
    with valkey() as server:
        tier = Redis(server.url, timeout=PATIENT)
        tier.set_many({i: Entry(i) for i in range(100)})
        before = commands(server)
        tier.get_many(range(100))
        after = commands(server)
        assert {name: n for name, n in after.items() if n != before.get(name)}.keys() <= {
            "mget", "info", "hello", "client|setinfo",
        }  # fmt: skip
        assert after["mget"] == 1
        tier.close()


def counted(tier: Redis, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of commands in each round trip from now on."""
    trips: list[int] = []
    exchange = tier._connections._exchange

    def counting(batches: Any) -> Any:
        trips.append(sum(map(len, batches.values())))
        return exchange(batches)

    monkeypatch.setattr(tier._connections, "_exchange", counting)
    return trips


def test_round_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (shared().url, shared_cluster().url):
        tier = Redis(url, namespace=uuid.uuid4().hex, timeout=PATIENT)
        keys = list(range(100))
        entries: dict[Any, Entry] = {key: Entry(key) for key in keys}
        tier.set_many(entries)
        tier.lease_many(["scripts"], LEASE)
        tier.fill_many({"scripts": Entry(1)}, LEASE)
        trips = counted(tier, monkeypatch)
        tier.get_many(keys)
        tier.set_many(entries)
        tier.lease_many(keys, LEASE)
        tier.fill_many(entries, LEASE)
        tier.release_many(keys, LEASE)
        tier.replace_many(entries, {key: entries[key].version for key in keys})
        tier.get_changed({key: entries[key].version for key in keys})
        tier.get_changed(dict.fromkeys(keys, b""))
        tier.delete_many(keys)
        # A script is sent again to nodes that have not seen it.
        assert len(trips) <= 9 + 4
        del trips[:]
        tier.set_many(entries)
        tier.get_changed(dict.fromkeys(keys, b"other"))
        assert len(trips) == 3
        tier.close()


def test_many_keys_and_bytes_are_sent_some_at_a_time(
    tier: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = counted(tier, monkeypatch)
    tier.set_many({i: Entry(i) for i in range(2_500)})
    assert trips == [1_000, 1_000, 500]
    assert len(tier.get_many(range(2_500))) == 2_500
    assert trips[3:] == [1, 1, 1]
    del trips[:]
    tier.set_many({i: Entry(os.urandom(1_500_000)) for i in range(5)})
    assert trips == [2, 2, 1]
    assert tier.get_many([]) == {}
    tier.set_many({})
    assert trips == [2, 2, 1]


# Bytes that cannot be read.


def corrupt(tier: Redis) -> list[str]:
    """What is reported from now on."""
    reports: list[str] = []
    tier.on_corrupt = lambda error: reports.append(str(error))
    return reports


@pytest.mark.parametrize("data", [b"foreign", b"x", b"Au\x01V", b"Au\x02V" + bytes(80), bytes(100)])
def test_foreign_bytes_are_a_miss_and_give_way_to_leases(tier: Redis, data: bytes) -> None:
    reports = corrupt(tier)
    for lease in (LEASE, Lease(2e9, writes=True)):
        shared().ask("SET", stored(tier, "a"), data)
        assert tier.get_many(["a"]) == {}
        assert tier.get_changed({"a": b"v" * 16}) == {"a": None}
        assert tier.fill_many({"a": Entry(1)}, lease) == set()
        assert tier.replace_many({"a": Entry(1)}, {"a": b""}) == set()
        assert tier.lease_many(["a"], lease) == {}
        assert tier.fill_many({"a": Entry(1)}, lease) == {"a"}
        assert tier.get_many(["a"])["a"].value == 1  # type: ignore[union-attr]
    assert reports


def test_a_value_that_was_damaged_or_belongs_to_another_key(tier: Redis) -> None:
    reports = corrupt(tier)
    tier.set_many({"a": Entry("a"), "b": Entry("b")})
    a, b = stored(tier, "a"), stored(tier, "b")
    shared().ask("COPY", a, b, "REPLACE")
    assert tier.get_many(["a", "b"]).keys() == {"a"}
    shared().ask("SETRANGE", a, 60, b"\x00")
    assert tier.get_many(["a", "b"]) == {}
    assert len(reports) == 3
    assert tier.lease_many(["a", "b"], LEASE) == {}


def test_a_key_of_another_type_is_a_miss_that_can_be_overwritten() -> None:
    for server, url in [
        (shared(), shared().url), (shared_cluster().nodes[0], shared_cluster().url),
    ]:  # fmt: skip
        tier = Redis(url, namespace=uuid.uuid4().hex, timeout=PATIENT)
        reports = corrupt(tier)
        from redis.crc import key_slot

        share = 16_384 if server is shared() else 5_400
        key = next(i for i in range(1_000) if key_slot(stored(tier, i)) < share)
        server.ask("RPUSH", stored(tier, key), "x")
        assert tier.get_many([key]) == {}
        assert tier.get_changed({key: b"v" * 16}) == {key: None}
        with pytest.raises(TierError, match="kind of value"):
            tier.lease_many([key], LEASE)
        tier.set_many({key: Entry(1)})
        assert tier.get_many([key]).keys() == {key}
        assert all("bytes" in report for report in reports)
        tier.close()


def test_what_a_slow_server_clock_has_kept(tier: Redis) -> None:
    """Expired by this machine's clock, it counts as gone, and gives way to leases."""
    past = time.time() - 10
    for held in (Entry(1, expires=past), Lease(past), Lease(past, writes=True)):
        address = frame.address("a")
        shared().ask(
            "SET", stored(tier, "a"), frame.pack(address, held, tier._operations._serializer)
        )
        assert tier.get_many(["a"]) == {}
        if isinstance(held, Entry):
            assert tier.get_changed({"a": held.version}) == {"a": None}
        else:
            assert tier.fill_many({"a": Entry(2)}, held) == set()
        assert tier.lease_many(["a"], LEASE) == {}
        tier.delete_many(["a"])


def test_by_default_it_is_logged(tier: Redis, caplog: pytest.LogCaptureFixture) -> None:
    shared().ask("SET", stored(tier, "a"), b"foreign")
    assert tier.get_many(["a"]) == {}
    assert any("counts as a miss" in record.message for record in caplog.records)
    assert isinstance(CorruptValueError("x"), ValueError)


# Namespaces.


def test_clear_leaves_other_namespaces_alone() -> None:
    base = uuid.uuid4().hex
    names = [f"{base}*", f"{base}x", f"{base}*:y", f"{base}[a]", f"{base}a", base, f"{base}\\x"]
    tiers = [Redis(shared().url, namespace=name, timeout=PATIENT) for name in names]
    for tier in tiers:
        tier.set_many({i: Entry(i) for i in range(3)})
    left = list(tiers)
    for tier in tiers:
        tier.clear()
        left.remove(tier)
        assert tier.get_many(range(3)) == {}
        assert all(len(other.get_many(range(3))) == 3 for other in left)
        tier.close()


def test_entries_expire_at_the_server(tier: Redis) -> None:
    tier.set_many({"ends": Entry(1, expires=time.time() + 100), "stays": Entry(1)})
    assert 90_000 < shared().ask("PTTL", stored(tier, "ends")) <= 100_000
    assert shared().ask("PTTL", stored(tier, "stays")) == -1
    tier.lease_many(["leased"], Lease(time.time() + 50))
    assert 40_000 < shared().ask("PTTL", stored(tier, "leased")) <= 50_000


# Connections.


def clients(server: Valkey) -> int:
    """How many connections a server has, but for the one that asks."""
    return len(server.ask("CLIENT", "LIST").splitlines()) - 1


def test_connections_are_used_again_and_closed() -> None:
    with valkey() as server:
        tier = Redis(server.url, timeout=PATIENT)
        for _ in range(5):
            tier.get_many(["a"])
        assert clients(server) == 1

        async def many() -> None:
            for _ in range(5):
                await tier.aget_many(["a"])
            assert clients(server) == 2
            await asyncio.gather(*(tier.aget_many(["a"]) for _ in range(5)))

        asyncio.run(many())
        while clients(server) > 1:  # those of the loop end with it
            time.sleep(0.01)
        tier.close()
        while clients(server):
            time.sleep(0.01)


def test_event_loops_have_connections_of_their_own(tier: Redis) -> None:
    tier.set_many({"a": Entry(1)})
    found: list[Any] = []

    def run() -> None:
        async def several() -> None:
            for _ in range(10):
                found.extend(await tier.aget_many(["a"]))

        asyncio.run(several())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["a"] * 40
    asyncio.run(tier.aget_many(["a"]))
    assert len(tier._async_connections._loops) == 0


def test_closed_while_a_loop_runs() -> None:
    tier = Redis(shared().url, timeout=PATIENT)

    async def closing() -> None:
        await tier.aget_many(["a"])
        await asyncio.to_thread(tier.close)
        with pytest.raises(TierError, match="closed"):
            await tier.aget_many(["a"])

    asyncio.run(closing())
    gc.collect()


def test_a_loop_that_ends_without_closing_its_generators(tier: Redis) -> None:
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(tier.aget_many(["a"]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert len(tier._async_connections._loops) <= 1


def test_it_says_what_it_is(tier: Redis) -> None:
    where = f"127.0.0.1:{shared().port}"
    assert repr(tier) == f"Redis('{where}', namespace='{tier._namespace}')"
    assert "secret" not in repr(Redis("redis://user:secret@h"))
