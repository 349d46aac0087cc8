"""What a Redis tier does while real servers are down, hang, refuse or lose their slots."""

import asyncio
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from augury.errors import TierError
from augury.tiers import Entry, Lease, frame
from augury.tiers.redis import Redis
from tests.servers.process import wait_until
from tests.servers.valkey import (
    Cluster,
    Valkey,
    cluster,
    replicated,
    sentinel,
    shared,
    shared_cluster,
    valkey,
)

PATIENT = 5.0
"""Seconds for an answer, where nothing hangs: the machine may be busy."""
LEASE = Lease(2e9)
READS: dict[str, Callable[[Redis], Any]] = {
    "get": lambda tier: tier.get_many(["a", "b"]),
    "changed": lambda tier: tier.get_changed({"a": b"v" * 16}),
}
WRITES: dict[str, Callable[[Redis], Any]] = {
    "set": lambda tier: tier.set_many({"a": Entry("x" * 100)}),
    "lease": lambda tier: tier.lease_many(["not there"], LEASE),
    "delete": lambda tier: tier.delete_many(["a"]),
    "clear": lambda tier: tier.clear(),
    "fill": lambda tier: tier.fill_many({"a": Entry(1)}, LEASE),
    "replace": lambda tier: tier.replace_many({"a": Entry(1)}, {"a": b"v" * 16}),
    "release": lambda tier: tier.release_many(["a"], LEASE),
}


@contextmanager
def opened(url: str, timeout: float = PATIENT) -> Iterator[Redis]:
    tier = Redis(url, namespace=uuid.uuid4().hex, timeout=timeout)
    try:
        yield tier
    finally:
        tier.close()


def refused(call: Callable[[], Any], match: str = "") -> None:
    """Expect an error of one line that names the tier and the reason."""
    with pytest.raises(TierError, match=rf"(?i)^tier 'redis': [^\n]*{match}[^\n]*$"):
        call()


def works(tier: Redis) -> bool:
    try:
        tier.set_many({"a": Entry("again")})
    except TierError:
        return False
    return bool(tier.get_many(["a"])["a"].value == "again")  # type: ignore[union-attr]


def works_again(tier: Redis) -> None:
    wait_until(lambda: works(tier), "the tier does not work again")


@pytest.mark.parametrize("call", [*READS.values(), *WRITES.values()], ids=[*READS, *WRITES])
def test_down_at_start(call: Callable[[Redis], Any]) -> None:
    with valkey() as server:
        server.kill()
        with opened(server.url) as tier:
            refused(lambda: call(tier), "refused")
            assert not tier.health().up


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_nobody_knows_who_has_what(kind: str) -> None:
    with valkey() as server:
        server.kill()
        where = f"127.0.0.1:{server.port}"
        with opened(f"redis+{kind}://{where},{where}/{'service' * (kind != 'cluster')}") as tier:
            for _ in range(2):
                refused(lambda: tier.get_many(["a"]), "refused")
                refused(lambda: asyncio.run(tier.aget_many(["a"])), "111")
            refused(tier.clear)
            assert not tier.health().up


def test_killed_and_started_again() -> None:
    with valkey() as server, opened(server.url) as tier:
        works_again(tier)
        server.kill()
        refused(lambda: tier.get_many(["a"]))
        refused(lambda: tier.get_many(["a"]), "refused")
        server.restart()
        works_again(tier)


def test_a_restart_between_two_requests_is_not_noticed() -> None:
    """The connection in the pool is dead; another is made before anything is sent."""
    with valkey() as server, opened(server.url) as tier:
        tier.get_many(["a"])
        server.restart()
        assert tier.get_many(["a"]) == {}

        async def twice() -> None:
            await tier.aget_many(["a"])
            await asyncio.to_thread(server.restart)
            assert await tier.aget_many(["a"]) == {}

        asyncio.run(twice())


@pytest.mark.parametrize("way", ["threads", "coroutines"])
def test_killed_amid_a_request(way: str) -> None:
    with valkey() as server, opened(server.url) as tier:
        tier.get_many(["a"])
        server.pause()
        killing = threading.Timer(0.2, server.kill)
        killing.start()
        if way == "threads":
            refused(lambda: tier.get_many(["a"]))
        else:
            refused(lambda: asyncio.run(tier.aget_many(["a"])))
        killing.join()


def test_hung() -> None:
    with valkey() as server, opened(server.url, timeout=0.1) as tier:
        works_again(tier)
        server.pause()
        refused(lambda: tier.get_many(["a"]), "timeout|timed out")
        refused(lambda: tier.set_many({"a": Entry(1)}), "timeout|timed out")
        refused(lambda: asyncio.run(tier.aget_many(["a"])), "timeout|timed out")
        assert not tier.health().up
        server.resume()
        works_again(tier)


def test_a_late_reply_is_never_taken_for_another() -> None:
    with valkey() as server, opened(server.url, timeout=0.1) as tier:
        tier.set_many({"old": Entry("old"), "new": Entry("new")})
        server.pause()
        refused(lambda: tier.get_many(["old"]))
        server.resume()
        for _ in range(20):
            found = tier.get_many(["new"])
            assert {key: it.value for key, it in found.items()} == {"new": "new"}  # type: ignore[union-attr]

        async def cancelled() -> None:
            await tier.aget_many(["new"])
            server.pause()
            asking = asyncio.create_task(tier.aget_many(["old"]))
            await asyncio.sleep(0.02)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            server.resume()
            found = await tier.aget_many(["new"])
            assert {key: it.value for key, it in found.items()} == {"new": "new"}  # type: ignore[union-attr]

        asyncio.run(cancelled())


def set_each(tier: Redis, values: list[bytes]) -> None:
    for i, value in enumerate(values):
        tier.set_many({i: Entry(value)})


def test_out_of_memory() -> None:
    with (
        valkey(maxmemory="3mb", maxmemory_policy="noeviction") as server,
        opened(server.url) as tier,
    ):
        tier.set_many({"before": Entry(1)})
        values = [os.urandom(100_000) for _ in range(100)]
        refused(lambda: set_each(tier, values), "memory")
        refused(lambda: [tier.lease_many([i], LEASE) for i in range(1_000, 10**6)], "memory")
        assert tier.get_many(["before"])["before"].value == 1  # type: ignore[union-attr]
        tier.delete_many(["before"])
        assert tier.get_many(["before"]) == {}
        tier.clear()
        works_again(tier)


@pytest.mark.parametrize("name", ["set", "delete", "lease"])
def test_a_replica_takes_no_writes(name: str, replica: Valkey) -> None:
    with opened(replica.url) as tier:
        assert tier.get_many(["a"]) == {}
        refused(lambda: WRITES[name](tier), "read.only")


@pytest.fixture(scope="module")
def replica() -> Iterator[Valkey]:
    with replicated() as (_, replica):
        yield replica


def test_wrong_password_and_none() -> None:
    with valkey(requirepass="secret") as server:
        where = f"127.0.0.1:{server.port}"
        with opened(f"redis://:wrong@{where}") as tier:
            refused(lambda: tier.get_many(["a"]), "password")
            refused(lambda: asyncio.run(tier.aget_many(["a"])), "password")
        with opened(f"redis://{where}") as tier:
            refused(lambda: tier.get_many(["a"]), "auth")
            refused(lambda: tier.set_many({"a": Entry(1)}), "auth")
        with opened(f"redis://:secret@{where}") as tier:
            works_again(tier)


def test_what_a_user_may_not_do() -> None:
    with valkey() as server:
        server.ask("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+@connection")
        with opened(f"redis://reader:secret@127.0.0.1:{server.port}") as tier:
            assert tier.get_many(["a"]) == {}
            refused(lambda: tier.set_many({"a": Entry(1)}), "permission")


def test_loading() -> None:
    """A server that is still reading its data back answers, but with nothing else than that."""
    with valkey(key_load_delay="1000", loading_process_events_interval_bytes="1024") as server:
        with opened(server.url) as tier:
            tier.set_many({i: Entry(i) for i in range(3_000)})
        server.ask("SAVE")
        server.kill()
        server.restart(wait=False)
        with opened(server.url) as tier:
            reasons = set()

            def loaded() -> bool:
                try:
                    tier.get_many(["a"])
                except TierError as error:
                    reasons.add(str(error).rpartition(": ")[2])
                    return False
                return True

            wait_until(loaded, "the server does not load")
            assert any("loading" in reason for reason in reasons)


def test_writes_that_cannot_be_saved() -> None:
    with valkey(dbfilename="taken") as server, opened(server.url) as tier:
        # Where it would save is a folder with something in it; having failed, it refuses writes.
        (server.folder / "taken" / "something").mkdir(parents=True)
        server.ask("CONFIG", "SET", "save", "3600 1")
        server.ask("SET", "x", "y")
        server.ask("BGSAVE")
        wait_until(lambda: not works(tier), "it saves all the same")
        refused(lambda: tier.set_many({"a": Entry(1)}), "misconf")
        assert tier.get_many(["b"]) == {}


def test_something_else_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(1_000)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with opened(f"redis://127.0.0.1:{port}") as tier:
            refused(lambda: tier.get_many(["a"]))
        thread.join()


def test_scripts_that_a_server_has_forgotten() -> None:
    with opened(shared().url) as tier:
        shared().ask("SCRIPT", "FLUSH")
        assert tier.lease_many(["a", "b"], LEASE) == {}
        shared().ask("SCRIPT", "FLUSH")
        assert tier.fill_many({"a": Entry(1), "b": Entry(2)}, LEASE) == {"a", "b"}


def test_a_sentinel_names_another_primary() -> None:
    with replicated() as (primary, replica), sentinel(primary) as watching:
        with opened(f"redis+sentinel://127.0.0.1:{watching.port}/service", 1.0) as tier:
            tier.set_many({"a": Entry("before")})
            wait_until(
                lambda: replica.ask("GET", tier._operations.name(frame.address("a"))),
                "no replication",
            )
            primary.kill()
            refused(lambda: [tier.get_many(["a"]) for _ in range(2)])
            works_again(tier)
            assert replica.ask("ROLE")[0] in (b"master", "master")
        with opened(f"redis+sentinel://127.0.0.1:{watching.port}/unknown", 1.0) as tier:
            refused(lambda: tier.get_many(["a"]), "unknown")


# A cluster.


def keys_of(nodes: Cluster, tier: Redis, owner: Valkey, count: int) -> list[int]:
    keys = (i for i in range(10**6) if nodes.owner(slot(tier, i)) is owner)
    return [next(keys) for _ in range(count)]


def slot(tier: Redis, key: int) -> int:
    from redis.crc import key_slot

    return int(key_slot(tier._operations.name(frame.address(key))))


@pytest.mark.parametrize("way", ["threads", "coroutines"])
def test_a_slot_moves(way: str) -> None:
    nodes = shared_cluster()
    with opened(nodes.url) as tier:
        source, target = nodes.nodes[0], nodes.nodes[2]
        (key,) = keys_of(nodes, tier, source, 1)
        moving = slot(tier, key)
        stays = next(i for i in range(key + 1, 10**6) if slot(tier, i) != moving)
        tier.set_many({key: Entry("before"), stays: Entry("stays")})

        def call(name: str, *arguments: Any) -> Any:
            if way == "threads":
                return getattr(tier, name)(*arguments)
            return asyncio.run(getattr(tier, f"a{name}")(*arguments))

        def values(*keys: int) -> list[Any]:
            found = call("get_many", keys)
            return [found[key].value if key in found else None for key in keys]

        nodes.begin_move(moving, source, target)
        try:
            assert values(key, stays) == ["before", "stays"]
            nodes.move_keys(moving, source, target)
            target.ask("SCRIPT", "FLUSH")
            assert values(key, stays) == ["before", "stays"]
            assert call("get_changed", {key: b"", stays: b"x" * 16}).keys() == {key, stays}
            call("delete_many", [key])
            assert call("lease_many", [key], LEASE) == {}
            assert call("fill_many", {key: Entry("while it moves")}, LEASE) == {key}
            assert values(key, stays) == ["while it moves", "stays"]
        finally:
            nodes.end_move(moving, source, target)
        assert values(key, stays) == ["while it moves", "stays"]
        call("set_many", {key: Entry("after")})
        assert values(key, stays) == ["after", "stays"]
        nodes.begin_move(moving, target, source)
        nodes.move_keys(moving, target, source)
        nodes.end_move(moving, target, source)
        assert values(key, stays) == ["after", "stays"]
        call("clear")
        assert values(key, stays) == [None, None]


def test_a_node_is_lost_and_the_others_serve() -> None:
    with cluster(cluster_require_full_coverage="no") as nodes, opened(nodes.url, 1.0) as tier:
        here, there = nodes.nodes[0], nodes.nodes[1]
        ours, lost = keys_of(nodes, tier, here, 3), keys_of(nodes, tier, there, 3)
        tier.set_many({key: Entry(key) for key in [*ours, *lost]})
        there.kill()
        for _ in range(3):
            refused(lambda: tier.get_many([*ours, *lost]))
            assert tier.get_many(ours).keys() == set(ours)
            assert asyncio.run(tier.aget_many(ours)).keys() == set(ours)
        there.restart()
        wait_until(lambda: works_on(tier, lost), "a node that is back is not used")
        assert tier.get_many(ours).keys() == set(ours)


def works_on(tier: Redis, keys: list[int]) -> bool:
    try:
        tier.set_many({key: Entry(key) for key in keys})
    except TierError:
        return False
    return tier.get_many(keys).keys() == set(keys)


@pytest.mark.slow
def test_a_cluster_is_down_while_a_node_is_lost() -> None:
    with cluster() as nodes, opened(nodes.url, 1.0) as tier:
        here, there = nodes.nodes[0], nodes.nodes[1]
        ours = keys_of(nodes, tier, here, 1)
        tier.set_many({key: Entry(key) for key in ours})
        there.kill()
        wait_until(lambda: nodes.info(here)["cluster_state"] == "fail", "it stays up")
        refused(lambda: tier.get_many(ours), "down")
        refused(lambda: tier.lease_many(ours, LEASE), "down")
        assert not tier.health().up
        there.restart()
        nodes.wait_until_up()
        wait_until(lambda: works_on(tier, ours), "the tier does not work again")


def test_a_node_that_hangs_costs_the_time_out() -> None:
    with cluster() as nodes, opened(nodes.url, 0.1) as tier:
        ours = keys_of(nodes, tier, nodes.nodes[0], 2)
        theirs = keys_of(nodes, tier, nodes.nodes[1], 2)
        wait_until(lambda: works_on(tier, [*ours, *theirs]), "the machine is too busy")
        nodes.nodes[1].pause()
        refused(lambda: tier.get_many([*ours, *theirs]), "timeout|timed out")
        nodes.nodes[1].resume()
        nodes.wait_until_up()
        wait_until(lambda: works_on(tier, [*ours, *theirs]), "the tier does not work again")


def test_an_operation_on_hung_servers_ends() -> None:
    """However many hang, and whoever has to be asked who has what."""
    with cluster() as nodes, opened(nodes.url, 0.1) as tier:
        for node in nodes.nodes:
            node.pause()
        refused(lambda: tier.get_many(range(100)))
        refused(lambda: asyncio.run(tier.aget_many(range(100))))
        for node in nodes.nodes:
            node.resume()
