"""Hearing of writes, from real servers that are hurt meanwhile."""

import asyncio
import gc
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from augury.errors import ConfigurationError, TierError
from augury.tiers import Entry, Lease, frame
from augury.tiers.redis import Redis
from augury.tiers.redis.tracking import RedisTracking
from tests.servers.process import wait_until
from tests.servers.tls import tls_front
from tests.servers.valkey import (
    Cluster,
    Valkey,
    cluster,
    replicated,
    sentinel,
    shared,
    valkey,
)

PATIENT = 5.0
"""Seconds for an answer, where nothing hangs: the machine may be busy."""


def name(key: object) -> bytes:
    return frame.address(key)[:16]


@contextmanager
def tiers(url: str, timeout: float = PATIENT, heartbeat: float = 20.0) -> Iterator[Any]:
    """A tier, and a tracking of it that has heard everything."""
    tier = Redis(url, namespace=uuid.uuid4().hex, timeout=timeout, heartbeat=heartbeat)
    try:
        yield tier, tracked(tier)
    finally:
        tier.close()


def tracked(tier: Redis) -> RedisTracking:
    tracking = cast(RedisTracking, tier.track())
    assert not tracking.trusted
    assert tracking.poll() is None
    trust(tracking)
    return tracking


def trust(tracking: RedisTracking) -> None:
    """Wait until it is trusted, forgetting what it says until then."""

    def trusted() -> bool:
        tracking.poll()
        return tracking.trusted

    wait_until(trusted, "tracking is not trusted")


def told(tracking: RedisTracking, count: int) -> set[bytes]:
    """Wait until so many names have been told, and return them."""
    names: set[bytes] = set()

    def enough() -> bool:
        polled = tracking.poll()
        assert polled is not None
        names.update(polled)
        return len(names) >= count

    wait_until(enough, "writes are not told")
    return names


def until_missed(tracking: RedisTracking) -> None:
    wait_until(lambda: tracking.poll() is None, "nobody says that something was missed")


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[Callable[[Redis], Redis]]:
    """Another client of the same namespace."""
    opened = []

    def another(tier: Redis) -> Redis:
        opened.append(Redis(shared().url, namespace=tier._namespace, timeout=PATIENT))
        return opened[-1]

    yield another
    for tier in opened:
        tier.close()


def test_every_kind_of_write_is_told(other: Callable[[Redis], Redis]) -> None:
    with tiers(shared().url) as (tier, tracking):
        writer, lease = other(tier), Lease(time.time() + 60)
        entry = Entry(1)
        writer.set_many({"a": entry, "b": Entry(2)})
        assert told(tracking, 2) == {name("a"), name("b")}
        writer.delete_many(["a"])
        assert told(tracking, 1) == {name("a")}
        writer.lease_many(["a"], lease)
        assert told(tracking, 1) == {name("a")}
        writer.fill_many({"a": entry}, lease)
        assert told(tracking, 1) == {name("a")}
        writer.replace_many({"a": Entry(3)}, {"a": entry.version})
        assert told(tracking, 1) == {name("a")}
        writer.clear()
        assert told(tracking, 2) == {name("a"), name("b")}
        tier.set_many({"own": Entry(1)})
        assert told(tracking, 1) == {name("own")}


def test_what_expires_at_the_server_is_told() -> None:
    with tiers(shared().url) as (tier, tracking):
        tier.set_many({"a": Entry(1, expires=time.time() + 0.1)})
        assert told(tracking, 1) == {name("a")}
        assert told(tracking, 1) == {name("a")}


def test_reads_and_other_namespaces_are_not_told(other: Callable[[Redis], Redis]) -> None:
    with tiers(shared().url) as (tier, tracking), tiers(shared().url) as (elsewhere, _):
        elsewhere.set_many({"a": Entry(1)})
        within = Redis(shared().url, namespace=f"{tier._namespace}:x", timeout=PATIENT)
        within.set_many({"a": Entry(1)})
        within.close()
        tier.get_many(["a"])
        other(tier).set_many({"last": Entry(1)})
        assert told(tracking, 1) == {name("last")}


def test_many_writes_at_once(other: Callable[[Redis], Redis]) -> None:
    with tiers(shared().url) as (tier, tracking):
        other(tier).set_many({i: Entry(i) for i in range(5_000)})
        assert told(tracking, 5_000) == {name(i) for i in range(5_000)}
        assert tracking.trusted


def test_more_than_is_remembered_counts_as_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augury.tiers.redis.tracking._MOST_NAMES", 100)
    with tiers(shared().url) as (tier, tracking):
        tier.set_many({i: Entry(i) for i in range(1_000)})
        until_missed(tracking)
        trust(tracking)


def test_the_thread_reads_when_nobody_polls() -> None:
    with tiers(shared().url, heartbeat=0.2) as (tier, tracking):
        tier.set_many({"a": Entry(1)})
        wait_until(lambda: tracking._names == {name("a")}, "nobody reads")
        assert tracking.poll() == {name("a")}


def test_threads_share_what_is_told() -> None:
    with tiers(shared().url) as (tier, tracking):
        names: list[bytes] = []
        stop = threading.Event()

        def poll() -> None:
            while not stop.is_set():
                names.extend(tracking.poll() or ())

        threads = [threading.Thread(target=poll) for _ in range(4)]
        for thread in threads:
            thread.start()
        for i in range(50):
            tier.set_many({i: Entry(i)})
        wait_until(lambda: len(names) >= 50, "writes are not told")
        stop.set()
        for thread in threads:
            thread.join()
        assert sorted(names) == sorted(name(i) for i in range(50))


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
def test_a_flush_counts_as_missed(command: str) -> None:
    with valkey() as server, tiers(server.url) as (_, tracking):
        server.ask(command)
        until_missed(tracking)
        trust(tracking)


def test_a_connection_that_is_cut_counts_as_missed() -> None:
    with valkey() as server, tiers(server.url) as (tier, tracking):
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        until_missed(tracking)
        trust(tracking)
        tier.set_many({"a": Entry(1)})
        assert told(tracking, 1) == {name("a")}


def test_it_is_not_trusted_before_it_has_said_that_something_was_missed() -> None:
    with valkey() as server, tiers(server.url, heartbeat=0.4) as (_, tracking):
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        wait_until(lambda: tracking._missed and tracking._proven > 0, "it does not connect again")
        assert not tracking.trusted
        assert tracking.poll() is None


def test_a_server_that_hangs_is_not_trusted() -> None:
    with valkey() as server, tiers(server.url, timeout=0.2, heartbeat=0.4) as (tier, tracking):
        server.pause()
        wait_until(lambda: not tracking.trusted, "a server that hangs is trusted")
        until_missed(tracking)
        server.resume()
        trust(tracking)
        wait_until(lambda: tier.health().up, "the tier does not work again")
        tier.set_many({"a": Entry(1)})
        assert name("a") in told(tracking, 1)


def test_a_server_that_was_restarted() -> None:
    with valkey() as server, tiers(server.url, timeout=1.0) as (tier, tracking):
        server.kill()
        until_missed(tracking)
        assert not tracking.trusted
        assert tracking.poll() == ()
        server.restart()
        until_missed(tracking)
        trust(tracking)
        tier.set_many({"a": Entry(1)})
        assert told(tracking, 1) == {name("a")}


def test_a_proof_is_as_old_as_its_question() -> None:
    """An answer that has lain in a buffer for long proves little."""
    with tiers(shared().url, heartbeat=0.4) as (_, tracking):
        with tracking._lock:  # the thread cannot read
            for link in tracking._links.values():
                link.beat()
            time.sleep(0.6)
            tracking._look_at = 0.0
            assert tracking.poll() == ()
            assert all(link.waiting_since is None for link in tracking._links.values())
            assert not tracking.trusted
        trust(tracking)


def test_a_server_that_is_not_there_at_first() -> None:
    with valkey() as server:
        server.kill()
        tier = Redis(server.url, timeout=1.0)
        tracking = cast(RedisTracking, tier.track())
        assert tracking.poll() is None
        assert not tracking.trusted
        server.restart()
        trust(tracking)
        tier.close()
        assert not tracking.trusted


def test_a_server_that_will_not_tell() -> None:
    with valkey() as server:
        server.ask("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-client|tracking")
        tier = Redis(f"redis://reader:secret@127.0.0.1:{server.port}", timeout=PATIENT)
        tracking = cast(RedisTracking, tier.track())
        assert tracking.poll() is None
        until_missed(tracking)
        assert not tracking.trusted
        tier.close()


def test_a_password() -> None:
    with (
        valkey(requirepass="secret") as server,
        tiers(f"redis://:secret@127.0.0.1:{server.port}/1") as (tier, tracking),
    ):
        tier.set_many({"a": Entry(1)})
        assert told(tracking, 1) == {name("a")}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, for the thread
def test_a_forked_process_has_a_connection_of_its_own() -> None:
    with tiers(shared().url) as (tier, tracking):
        if (child := os.fork()) == 0:
            status = 1
            try:
                fresh = not tracking.trusted and tracking.poll() is None
                trust(tracking)
                tier.set_many({"of the child": Entry(1)})
                status = 0 if fresh and told(tracking, 1) == {name("of the child")} else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert told(tracking, 1) == {name("of the child")}
        tier.set_many({"a": Entry(1)})
        assert told(tracking, 1) == {name("a")}
        assert tracking.trusted


def listening() -> set[threading.Thread]:
    return {it for it in threading.enumerate() if it.name.startswith("augury tracking")}


def test_closed() -> None:
    before = listening()  # of tests before this one, perhaps
    with tiers(shared().url) as (tier, tracking):
        tracking.close()
        tracking.close()
        assert not tracking.trusted
        tier.close()
        with pytest.raises(TierError, match="closed"):
            tier.track()
    assert listening() <= before


def test_a_thread_ends_with_its_tracking() -> None:
    before = listening()
    tier = Redis(shared().url, heartbeat=0.2, timeout=PATIENT)
    tracked(tier)
    gc.collect()
    wait_until(lambda: listening() <= before, "the thread goes on")
    tier.close()


def test_heartbeat_must_be_positive() -> None:
    with pytest.raises(ConfigurationError, match="heartbeat"):
        Redis("redis://127.0.0.1", heartbeat=0.0)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


def key_of(nodes: Cluster, owner: Valkey, tier: Redis, count: int = 1) -> list[int]:
    """Keys that an owner has."""
    from redis.crc import key_slot

    keys = (
        i
        for i in range(10**6)
        if nodes.owner(key_slot(tier._operations.name(frame.address(i)))) is owner
    )
    return [next(keys) for _ in range(count)]


def until_told(tracking: RedisTracking, tier: Redis, key: int) -> None:
    """Write until it is told by name: nodes learn one after another of what has changed."""
    while True:
        trust(tracking)
        tier.set_many({key: Entry("again")})
        names: set[bytes] = set()
        missed = False

        def heard() -> bool:
            nonlocal missed
            polled = tracking.poll()
            names.update(polled or ())  # noqa: B023 (called before the next one is made)
            missed = polled is None
            return missed or name(key) in names  # noqa: B023

        wait_until(heard, "a write is neither told nor missed")
        if not missed:
            return


def test_all_primaries_of_a_cluster_tell(nodes: Cluster) -> None:
    with tiers(nodes.url) as (tier, tracking):
        keys = [key for node in nodes.nodes for key in key_of(nodes, node, tier, 3)]
        tier.set_many({key: Entry(key) for key in keys})
        assert told(tracking, 9) == {name(key) for key in keys}


def test_a_slot_that_moves_to_a_new_primary(nodes: Cluster) -> None:
    from redis.crc import key_slot

    with tiers(nodes.url, heartbeat=2.0) as (tier, tracking):
        source, target = nodes.nodes[0], nodes.spare
        (key,) = key_of(nodes, source, tier)
        slot = key_slot(tier._operations.name(frame.address(key)))
        tier.set_many({key: Entry("before")})
        told(tracking, 1)
        nodes.nodes.append(target)
        try:
            nodes.meet(nodes.nodes)
            # It is listened to before it has any slot: keys may be on their way to it.
            until_missed(tracking)
            wait_until(lambda: len(tracking._links) == 4, "the new primary is not listened to")
            trust(tracking)
            nodes.begin_move(slot, source, target)
            nodes.move_keys(slot, source, target)
            assert tier.get_many([key])[key].value == "before"
            tier.set_many({key: Entry("while it moves")})
            until_told(tracking, tier, key)
            nodes.end_move(slot, source, target)
            until_missed(tracking)
            until_told(tracking, tier, key)
        finally:
            nodes.nodes.remove(target)


def test_a_node_of_a_cluster_that_is_killed() -> None:
    with cluster() as nodes, tiers(nodes.url, timeout=1.0, heartbeat=2.0) as (tier, tracking):
        nodes.nodes[1].kill()
        until_missed(tracking)
        assert not tracking.trusted
        nodes.nodes[1].restart()
        nodes.wait_until_up()
        trust(tracking)
        (key,) = key_of(nodes, nodes.nodes[1], tier)
        wait_until(lambda: _written(tier, key), "a node is not written to again")
        until_told(tracking, tier, key)


def _written(tier: Redis, key: int) -> bool:
    try:
        tier.set_many({key: Entry(1)})
    except TierError:
        return False
    return True


def test_a_sentinel_names_another_primary() -> None:
    with replicated() as (primary, replica), sentinel(primary) as watching:
        url = f"redis+sentinel://127.0.0.1:{watching.port}/service"
        with tiers(url, timeout=1.0, heartbeat=2.0) as (tier, tracking):
            tier.set_many({"a": Entry(1)})
            assert told(tracking, 1) == {name("a")}
            primary.kill()
            until_missed(tracking)
            wait_until(lambda: replica.ask("ROLE")[0] in (b"master", "master"), "no failover")
            trust(tracking)
            wait_until(lambda: _written(tier, 7), "the new primary is not written to")
            assert name(7) in told(tracking, 1)


def test_tls(tmp_path: Path) -> None:
    with tls_front(shared().port, tmp_path) as front:
        url = f"rediss://127.0.0.1:{front.port}"
        with tiers(f"{url}?ssl_ca_certs={front.certificate}") as (tier, tracking):
            tier.set_many({i: Entry(i) for i in range(3_000)})
            assert told(tracking, 3_000) == {name(i) for i in range(3_000)}
            assert tracking.poll() == ()
            assert len(asyncio.run(tier.aget_many(range(10)))) == 10
        stranger = Redis(url, timeout=PATIENT)
        with pytest.raises(TierError, match=r"(?i)certificate"):
            stranger.get_many(["a"])
        with pytest.raises(TierError, match=r"(?i)certificate"):
            asyncio.run(stranger.aget_many(["a"]))
        stranger.close()
    gc.collect()  # nothing is left open
