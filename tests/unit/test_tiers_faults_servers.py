"""`augury.Tiers` with real servers that are down, hang, are full, or lose a part of a cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

from augury.errors import InvalidationError
from augury.events import Fault, Trouble
from augury.tiers import Memory, Tiers
from augury.tiers.frame import address
from augury.tiers.redis import Redis
from tests.servers.valkey import Cluster, Valkey, cluster, valkey
from tests.unit.tiers_at_hand import Rows, eventually

pytest.importorskip("redis")

Mode = Literal["ttl", "tracked", "validated"]
MODES = pytest.mark.parametrize("mode", ["ttl", "tracked", "validated"])
KEYS = [f"key {number}" for number in range(30)]
_ASKED = (
    "get_many", "set_many", "delete_many", "lease_many", "fill_many", "replace_many",
    "release_many", "get_changed",
)  # fmt: skip


class Counting(Redis):
    """Counts what it is asked."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.asked: Counter[str] = Counter()
        for name in _ASKED:
            setattr(self, name, self._counted(name, getattr(self, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.asked[name] += 1
            return method(*arguments)

        return call


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster(cluster_require_full_coverage="no") as formed:
        yield formed


def in_front_of(url: str, rows: Rows, mode: Mode, **options: Any) -> tuple[Any, Counting]:
    last = Counting(url)
    options = {"ttl": 60, "near_ttl": 0.2 if mode == "ttl" else None} | options
    return Tiers([Memory(100), last], source=rows, consistency=mode, **options), last


def invalidated(tiers: Any, *keys: Any) -> bool:
    """Whether an invalidation arrives now."""
    try:
        tiers.invalidate(*keys)
    except InvalidationError:
        return False
    return True


def kept(last: Redis, key: str) -> bool:
    """Whether a tier holds a key, asked without its being left alone."""
    return bool(Redis.get_many(last, [("", key)]))


@MODES
def test_down_at_start(mode: Mode, server: Valkey) -> None:
    server.kill()
    rows = Rows({"a": 1, "b": 2}, writable=True)
    tiers, last = in_front_of(server.url, rows, mode)
    with tiers:
        assert tiers["a"] == 1
        assert tiers.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
        assert sum(last.asked.values()) <= 6
        for _ in range(20):
            assert tiers["a"] == 1
        assert sum(last.asked.values()) <= 12
        with pytest.raises(InvalidationError):
            tiers["a"] = 3
        assert tiers["a"] == 3
        server.start()
        assert eventually(lambda: tiers.get("b") == 2 and kept(last, "b"))


@MODES
def test_killed_in_the_middle_of_a_request(mode: Mode, server: Valkey) -> None:
    rows = Rows({"a": 1}, writable=True)
    tiers, last = in_front_of(server.url, rows, mode)
    with tiers, ThreadPoolExecutor(1) as pool:
        assert tiers["a"] == 1
        rows.rows["b"] = 2
        server.pause()
        reading = pool.submit(tiers.get, "b")
        assert eventually(lambda: last.asked["get_many"] + last.asked["get_changed"] > 1)
        server.kill()
        assert reading.result() == 2
        server.start()
        assert eventually(lambda: tiers.get("b") == 2 and kept(last, "b"))
        tiers["a"] = 5
        assert tiers["a"] == 5


@MODES
def test_hung(mode: Mode, server: Valkey) -> None:
    rows = Rows({"a": 1, "b": 1}, writable=True)
    (tiers, last), (other, _) = (in_front_of(server.url, rows, mode) for _ in range(2))
    with tiers, other:
        assert tiers["a"] == other["a"] == tiers["b"] == 1
        server.pause()
        last.asked.clear()
        with pytest.raises(InvalidationError, match="may still serve old values"):
            tiers["a"] = 2
        with pytest.raises(InvalidationError, match="may still be served"):
            tiers.invalidate("b")
        with pytest.raises(InvalidationError, match="with the tags t may still be served"):
            tiers.invalidate_tag("t")
        assert tiers["a"] == 2
        assert sum(last.asked.values()) <= 12
        server.resume()
        assert eventually(lambda: invalidated(tiers, "a", "b"))
        assert eventually(lambda: other["a"] == 2)
        tiers["a"] = 3
        assert eventually(lambda: other["a"] == 3)
        assert eventually(lambda: tiers.get("b") == 1 and kept(last, "b"))


@MODES
def test_out_of_memory(mode: Mode, server: Valkey) -> None:
    rows = Rows({"a": 1}, writable=True)
    (tiers, last), (other, _) = (in_front_of(server.url, rows, mode) for _ in range(2))
    with tiers, other:
        assert tiers["a"] == other["a"] == 1
        server.ask("CONFIG", "SET", "maxmemory", "1")
        tiers["a"] = 2  # to delete takes no memory
        assert not kept(last, "a")
        assert tiers["a"] == 2
        assert eventually(lambda: other["a"] == 2)
        rows.rows["b"] = 3
        assert tiers["b"] == 3
        with pytest.raises(InvalidationError):
            tiers.invalidate_tag("t")
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert eventually(lambda: tiers.get("a") == 2 and kept(last, "a"))


@MODES
def test_a_node_of_a_cluster_is_lost(mode: Mode, nodes: Cluster) -> None:
    rows = Rows(dict.fromkeys(KEYS, 1), writable=True)
    (tiers, last), (other, _) = (in_front_of(nodes.url, rows, mode) for _ in range(2))
    with tiers, other:
        assert eventually(lambda: last.health().up, 30)
        last.clear()
        assert tiers.get_many(KEYS) == other.get_many(KEYS) == rows.rows
        lost = nodes.nodes[1]
        lost.pause()
        undelivered = []
        try:
            last.asked.clear()
            for _ in range(5):
                assert tiers.get_many(KEYS) == rows.rows
            assert sum(last.asked.values()) <= 30
            for key in KEYS:
                try:
                    tiers[key] = 2
                except InvalidationError:
                    undelivered.append(key)
                assert tiers[key] == 2
            assert undelivered
        finally:
            lost.resume()
        assert eventually(lambda: invalidated(tiers, *undelivered), 30)
        assert eventually(lambda: other.get_many(KEYS) == rows.rows)
        assert eventually(lambda: tiers.get_many(KEYS) == rows.rows and kept(last, KEYS[0]))


@MODES
def test_a_slot_of_a_cluster_moves(mode: Mode, nodes: Cluster) -> None:
    rows = Rows(dict.fromkeys(KEYS, 1), writable=True)
    (tiers, last), (other, _) = (in_front_of(nodes.url, rows, mode) for _ in range(2))
    with tiers, other:
        assert eventually(lambda: last.health().up, 30)
        last.clear()
        assert tiers.get_many(KEYS) == other.get_many(KEYS) == rows.rows
        name = b"augury:" + address(("", KEYS[0]))[:16]
        slot = int(nodes.nodes[0].ask("CLUSTER", "KEYSLOT", name))
        source = nodes.owner(slot)
        target = next(node for node in nodes.nodes if node is not source)
        nodes.begin_move(slot, source, target)
        tiers[KEYS[0]] = 2
        assert tiers[KEYS[0]] == 2
        assert eventually(lambda: other[KEYS[0]] == 2)
        nodes.move_keys(slot, source, target)
        tiers[KEYS[0]] = 3
        assert eventually(lambda: other[KEYS[0]] == 3)
        nodes.end_move(slot, source, target)
        tiers[KEYS[0]] = 4
        assert eventually(lambda: other[KEYS[0]] == 4)
        assert eventually(lambda: other.get_many(KEYS) == rows.rows and kept(last, KEYS[0]))
        nodes.begin_move(slot, target, source)  # back, for the other modes
        nodes.move_keys(slot, target, source)
        nodes.end_move(slot, target, source)


# Where the last tier is what is true


def test_writes_while_it_is_down_are_dropped_and_reported(server: Valkey) -> None:
    faults: list[Fault] = []
    tiers: Tiers[str, int] = Tiers(
        [Memory(10), Redis(server.url)], ttl=60, near_ttl=0.05, on_fault=faults.append
    )
    with tiers:
        tiers["a"] = 1
        server.pause()
        tiers["a"] = 2
        assert Trouble.DROPPED in {fault.trouble for fault in faults}
        with pytest.raises(InvalidationError):
            del tiers["a"]
        server.resume()
        assert eventually(lambda: invalidated(tiers, "a"))
        assert tiers.get("a") is None
        tiers["a"] = 3
        assert eventually(lambda: kept(tiers._operations.tiers[-1], "a"))  # type: ignore[arg-type]


def test_writes_while_it_is_down_are_queued_if_asked_for(server: Valkey) -> None:
    tiers: Tiers[str, int] = Tiers(
        [Memory(10), Redis(server.url)], consistency="validated", outage="queue"
    )
    with tiers:
        server.kill()
        tiers["a"] = 1
        tiers["a"] = 2
        assert tiers["a"] == 2
        assert tiers.stats().waiting == 1
        server.start()
        tiers.flush()
        assert tiers["a"] == 2
        assert tiers.stats().waiting == 0
