"""`augury.Tiers`: what is read, kept, dropped and written where."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from augury.errors import ConfigurationError, InvalidationError, LoadCycleError, TierError
from augury.events import Fault, Trouble
from augury.sources import Loader
from augury.tiers import ABSENT, Memory, SeenBefore, Tiers
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held


def pair(shared: Shared, source: Any, **options: Any) -> tuple[Tiers[Any, Any], Tiers[Any, Any]]:
    """Two processes' tiers, as it were."""
    options.setdefault("ttl", 60)
    one, other = (
        Tiers[Any, Any]([Memory(1_000), shared], source=source, **options) for _ in range(2)
    )
    return one, other


# Reading


def test_a_value_is_loaded_once_and_kept_in_every_tier() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    one, other = pair(shared, rows)
    assert one["a"] == 1
    assert one.get("a") == 1
    assert other.get("a") == 1
    assert rows.asked == ["a"]
    assert held(shared, "a") == {"a": 1}


def test_what_the_source_has_not_got() -> None:
    rows = Rows()
    tiers = Tiers([Memory(10)], source=rows)
    assert tiers.get("a") is None
    assert tiers.get("a", 7) == 7
    assert tiers.get_many(["a"]) == {}
    with pytest.raises(KeyError):
        tiers["a"]
    assert len(rows.asked) == 4


def test_absence_is_remembered_if_asked_for() -> None:
    shared, rows = Shared(), Rows()
    one, other = pair(shared, rows, negative_ttl=60)
    assert one.get("a", 7) == 7
    assert one.get("a") is None
    assert other.get("a") is None
    assert "a" not in one
    assert rows.asked == ["a"]
    assert held(shared, "a") == {"a": ABSENT}


def test_none_is_a_value() -> None:
    tiers: Tiers[str, None] = Tiers([Memory(10)], source=lambda _: None)
    assert tiers.get("a", 7) is None
    assert tiers["a"] is None
    assert tiers.stats().loads == 1


def test_a_batch_costs_one_call_of_each() -> None:
    shared, rows = Shared(), Rows({i: i for i in range(100)})
    one, other = pair(shared, rows)
    assert one.get_many(range(100)) == {i: i for i in range(100)}
    assert rows.batches == 1
    other.get_many(range(50))
    shared.calls.clear()
    assert other.get_many(range(100)) == {i: i for i in range(100)}
    assert shared.calls == ["get_many"]
    assert rows.batches == 1


def test_in_asks_no_source() -> None:
    rows = Rows({"a": 1})
    tiers = Tiers([Memory(10)], source=rows)
    assert "a" not in tiers
    assert tiers["a"] == 1
    assert "a" in tiers
    assert rows.asked == ["a"]


def test_who_only_looks_does_not_answer_who_loads() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    tiers, _ = pair(shared, rows)
    get_many, looking, go_on = shared.get_many, threading.Event(), threading.Event()

    def get_slowly(keys: Any) -> Any:
        shared.get_many = get_many  # type: ignore[method-assign]
        looking.set()
        go_on.wait(10)
        return get_many(keys)

    tiers.get("warm")
    shared.get_many = get_slowly  # type: ignore[method-assign]
    looker = threading.Thread(target=lambda: "a" in tiers)
    looker.start()
    assert looking.wait(10)
    found: list[Any] = []
    loader = threading.Thread(target=lambda: found.append(tiers.get("a")))
    loader.start()
    time.sleep(0.05)
    go_on.set()
    looker.join()
    loader.join()
    assert found == [1]


def test_get_or_load() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)])
    assert tiers.get_or_load("a", lambda _: 1) == 1
    assert tiers.get_or_load("a", lambda _: 2) == 1
    assert asyncio.run(tiers.aget_or_load("a", lambda _: 3)) == 1

    async def load(_: str) -> int:
        return 4

    assert asyncio.run(tiers.aget_or_load("b", load)) == 4
    with pytest.raises(KeyError):
        tiers.get_or_load("c", lambda key: dict[str, int]()[key])


def test_an_error_of_the_source_reaches_all_who_ask() -> None:
    shared, rows = Shared(), Rows()
    rows.error = RuntimeError("no")
    one, other = pair(shared, rows)
    for tiers in (one, other):
        with pytest.raises(RuntimeError, match="no"):
            tiers.get("a")
    rows.error = None
    rows.rows["a"] = 1
    assert one.get("a") == 1, "no lease is left behind"
    assert one.stats().load_failures == 1


def test_a_source_that_asks_for_its_own_key() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)])
    with pytest.raises(LoadCycleError):
        tiers.get_or_load("a", lambda key: tiers.get_or_load(key, lambda _: 1))
    assert tiers.get_or_load("a", lambda _: 1) == 1


def test_a_thousand_threads_one_load() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    rows.seconds = 0.2
    tiers, _ = pair(shared, rows)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(tiers["a"])) for _ in range(1_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 1_000
    assert rows.asked == ["a"]


def test_a_thousand_tasks_one_load() -> None:
    calls: list[str] = []

    async def load(key: str) -> int:
        calls.append(key)
        await asyncio.sleep(0.1)
        return 1

    tiers: Tiers[str, int] = Tiers([Memory(10), Shared()], source=load, ttl=60)

    async def run() -> list[Any]:
        return await asyncio.gather(*(tiers.aget("a") for _ in range(1_000)))

    assert asyncio.run(run()) == [1] * 1_000
    assert calls == ["a"]


def test_two_processes_one_load() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    rows.seconds = 0.3
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda tiers=tiers: found.append(tiers["a"]))
        for tiers in pair(shared, rows)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1]
    assert rows.asked == ["a"]


def test_who_is_cancelled_leaves_the_others_their_answer() -> None:
    async def load(_: str) -> int:
        await asyncio.sleep(0.1)
        return 1

    tiers: Tiers[str, int] = Tiers([Memory(10)], source=load)

    async def run() -> Any:
        first = asyncio.create_task(tiers.aget("a"))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(tiers.aget("a"))
        await asyncio.sleep(0.02)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(run()) == 1


# Freshness


def test_what_has_expired_is_loaded_anew() -> None:
    rows = Rows({"a": 1})
    tiers = Tiers([Memory(10), Shared()], source=rows, ttl=0.05, jitter=0, eagerness=0)
    assert tiers["a"] == 1
    rows.rows["a"] = 2
    assert eventually(lambda: tiers["a"] == 2)


@pytest.mark.parametrize("below", [True, False])
def test_stale_values_are_served_while_a_new_one_is_loaded(below: bool) -> None:
    rows = Rows({"a": 1})
    levels = [Memory(10), Shared()] if below else [Memory(10)]
    tiers = Tiers(levels, source=rows, ttl=0.05, stale=60, jitter=0)
    assert tiers["a"] == 1
    rows.rows["a"] = 2
    rows.seconds = 0.2
    time.sleep(0.06)
    assert tiers["a"] == 1
    assert tiers["a"] == 1
    rows.seconds = 0
    assert eventually(lambda: tiers["a"] == 2)
    assert tiers.stats().refreshes >= 1


def test_a_refresh_that_fails_leaves_the_stale_value() -> None:
    faults: list[Fault] = []
    rows = Rows({"a": 1})
    tiers = Tiers([Memory(10)], source=rows, ttl=0.02, stale=60, jitter=0, on_fault=faults.append)
    assert tiers["a"] == 1
    rows.error = RuntimeError("no")
    time.sleep(0.03)
    assert tiers["a"] == 1
    assert eventually(lambda: faults)
    assert faults[0].trouble is Trouble.REFRESH
    assert tiers["a"] == 1


def test_stale_values_in_coroutines() -> None:
    calls = 0

    async def load(_: str) -> int:
        nonlocal calls
        calls += 1
        return calls

    async def run() -> None:
        tiers: Tiers[str, int] = Tiers(
            [Memory(10), Shared()], source=load, ttl=0.02, stale=60, jitter=0
        )
        assert await tiers.aget("a") == 1
        await asyncio.sleep(0.03)
        assert await tiers.aget("a") == 1
        for _ in range(500):
            await asyncio.sleep(0.01)
            if await tiers.aget("a") > 1:
                return
        pytest.fail("never refreshed")

    asyncio.run(run())


def test_copies_are_served_no_longer_than_near_ttl() -> None:
    shared = Shared()
    one, other = pair(shared, None, ttl=None, near_ttl=0.1)
    one["a"] = 1
    assert other["a"] == 1
    one["a"] = 2
    assert one["a"] == 2
    assert eventually(lambda: other["a"] == 2)


# Writing


def test_a_set_is_seen_by_others() -> None:
    one, other = pair(Shared(), None)
    one["a"] = 1
    one.set_many({"b": 2, "c": 3})
    assert other.get_many("abc") == {"a": 1, "b": 2, "c": 3}
    del one["a"]
    one.delete_many(["b"])
    assert one.get_many("abc") == {"c": 3}


def test_a_writable_source_is_written_first() -> None:
    shared, rows = Shared(), Rows(writable=True)
    one, other = pair(shared, rows)
    one["a"] = 1
    assert rows.rows == {"a": 1}
    assert other["a"] == 1
    assert rows.asked == [], "the last tier has it"
    del other["a"]
    assert rows.rows == {}
    assert held(shared, "a") == {}


def test_a_write_to_the_source_that_fails_leaves_nothing_behind() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    tiers, _ = pair(shared, rows)
    assert tiers["a"] == 1
    rows.error = RuntimeError("no")
    with pytest.raises(RuntimeError, match="no"):
        tiers["a"] = 2
    rows.error = None
    assert held(shared, "a") == {}
    assert tiers["a"] == 1


@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize("writable", [True, False])
def test_a_slow_loader_never_overwrites_newer_data(same_process: bool, writable: bool) -> None:
    shared, rows = Shared(), Rows({"a": "old"}, writable=writable)
    one, other = pair(shared, rows)
    writer = one if same_process else other
    read, written = threading.Event(), threading.Event()

    def wait() -> None:
        read.set()
        written.wait(10)

    rows.after_read = wait
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(one["a"]))
    reader.start()
    assert read.wait(10)
    writer["a"] = "new"
    written.set()
    reader.join()
    rows.after_read = lambda: None
    if not writable:
        rows.rows["a"] = "new"
    assert found == ["old"], "it was read before the write"
    assert one["a"] == "new"
    assert held(shared, "a").get("a", "new") == "new"


def test_a_slow_loader_never_survives_an_invalidation() -> None:
    shared, rows = Shared(), Rows({"a": "old"})
    one, other = pair(shared, rows)

    def invalidate() -> None:
        rows.rows["a"] = "new"
        rows.after_read = lambda: None
        other.invalidate("a")

    rows.after_read = invalidate
    assert one["a"] == "old"
    assert one["a"] == "new"
    assert other["a"] == "new"


def test_two_writers_leave_what_the_source_has() -> None:
    shared, rows = Shared(), Rows(writable=True)
    processes = pair(shared, rows)
    rows.seconds = 0.001

    def write(me: int) -> None:
        for number in range(20):
            processes[me][f"k{number % 3}"] = (me, number)
            processes[1 - me].get(f"k{number % 3}")

    threads = [threading.Thread(target=write, args=(me,)) for me in (0, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held(shared, "k0", "k1", "k2").items() <= rows.rows.items()


def test_memory_alone_with_a_writable_source() -> None:
    rows = Rows({"a": 1}, writable=True)
    tiers = Tiers([Memory(10)], source=rows)
    assert tiers["a"] == 1
    tiers["a"] = 2
    assert tiers["a"] == 2
    assert rows.rows["a"] == 2


def test_a_ttl_of_its_own() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)], jitter=0)
    tiers.set("a", 1, ttl=0.05)
    tiers.set("b", 1)
    assert eventually(lambda: "a" not in tiers)
    assert "b" in tiers


def test_a_ttl_by_value() -> None:
    tiers: Tiers[int, int] = Tiers(
        [Memory(10)], source=lambda x: x, ttl=lambda x: 0.05 if x else None, jitter=0
    )
    assert tiers.get_many([0, 1]) == {0: 0, 1: 1}
    time.sleep(0.06)
    assert 0 in tiers
    assert 1 not in tiers


# Tags and namespaces


def test_a_tag_drops_its_entries_everywhere() -> None:
    shared, rows = Shared(), Rows({"a1": 1, "a2": 1, "b1": 1})
    one, other = pair(shared, rows, tags=lambda key: [key[0]], near_ttl=0.05)
    assert one.get_many(rows.rows) == rows.rows
    assert other.get_many(rows.rows) == rows.rows
    for key in rows.rows:
        rows.rows[key] = 2
    one.invalidate_tag("a")
    assert one.get_many(rows.rows) == {"a1": 2, "a2": 2, "b1": 1}
    assert eventually(lambda: other["a1"] == 2)
    assert other["b1"] == 1
    assert rows.asked.count("a1") == 2


def test_a_tag_in_memory_alone() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)])
    tiers.set("a", 1, tags=["x", "y"])
    tiers.set("b", 1, tags=["y"])
    tiers.set("c", 1)
    tiers.invalidate_tag("x")
    assert tiers.get_many("abc") == {"b": 1, "c": 1}
    tiers.clear()
    assert tiers.get_many("abc") == {}
    tiers["a"] = 2
    assert tiers["a"] == 2


def test_a_tag_dropped_during_a_load_voids_what_was_loaded() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    tiers, _ = pair(shared, rows, tags=lambda _: ["t"])

    def drop() -> None:
        rows.after_read = lambda: None
        rows.rows["a"] = 2
        tiers.invalidate_tag("t")

    rows.after_read = drop
    assert tiers["a"] == 1
    assert tiers["a"] == 2


def test_a_tag_that_the_tier_forgot_voids_what_had_it() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    one, other = pair(shared, rows, near_ttl=0.02)
    assert one["a"] == 1
    rows.rows["a"] = 2
    shared.delete_many([("", "tag", "")])
    assert eventually(lambda: other["a"] == 2)
    assert eventually(lambda: one["a"] == 2)


def test_namespaces_are_apart() -> None:
    shared = Shared()
    users: Tiers[int, str] = Tiers([shared], namespace="users")
    orders: Tiers[int, str] = Tiers([shared], namespace="orders")
    users[1] = "u"
    orders[1] = "o"
    assert (users[1], orders[1]) == ("u", "o")
    users.clear()
    assert users.get(1) is None
    assert orders[1] == "o"


def test_tags_are_no_keys() -> None:
    shared = Shared()
    tiers: Tiers[Any, int] = Tiers([shared])
    tiers.set("x", 1, tags=["t"])
    tiers[("", "tag", "t")] = 5
    tiers["tag"] = 6
    assert tiers.get_many(["x", ("", "tag", "t"), "tag"]) == {
        "x": 1, ("", "tag", "t"): 5, "tag": 6,
    }  # fmt: skip


# Consistency


def test_validated_reads_are_never_stale() -> None:
    shared = Shared()
    one, other = pair(shared, None, consistency="validated")
    for number in range(50):
        one["a"] = number
        assert other["a"] == number
        assert one["a"] == number
    one.delete("a")
    assert "a" not in other


def test_validated_reads_see_dropped_tags() -> None:
    shared = Shared()
    one, other = pair(shared, None, consistency="validated", tags=lambda _: ["t"])
    one["a"] = 1
    assert other["a"] == 1
    one.invalidate_tag("t")
    assert "a" not in other
    one["a"] = 2
    assert other["a"] == 2
    one.clear()
    assert "a" not in other


def test_validated_reads_cost_one_call() -> None:
    shared = Shared()
    one, other = pair(shared, None, consistency="validated")
    one.set_many({i: i for i in range(100)})
    other.get_many(range(50))
    shared.calls.clear()
    assert len(other.get_many(range(100))) == 100
    assert shared.calls == ["get_changed"]


def test_tracked_copies_go_when_others_write() -> None:
    shared = Shared()
    one, other = pair(shared, None, consistency="tracked", tags=lambda _: ["t"])
    one["a"] = 1
    assert other["a"] == 1
    shared.calls.clear()
    assert other["a"] == 1
    assert shared.calls == [], "a copy"
    one["a"] = 2
    time.sleep(0.002)
    assert other["a"] == 2
    one.invalidate_tag("t")
    time.sleep(0.002)
    assert "a" not in other


def test_tracked_copies_are_not_trusted_when_sight_is_lost() -> None:
    shared = Shared()
    faults: list[Fault] = []
    one, other = pair(shared, None, consistency="tracked", on_fault=faults.append)
    one["a"] = 1
    assert other["a"] == 1
    shared.listeners[1].lost = True
    one["a"] = 2
    shared.listeners[1].names.clear()
    time.sleep(0.002)
    assert other["a"] == 2
    assert Trouble.LOST in {fault.trouble for fault in faults}
    one["a"] = 3
    assert other["a"] == 3, "no copies while nothing is heard"
    shared.listeners[1].lost = False
    assert other["a"] == 3


def test_a_write_during_a_fetch_is_heard() -> None:
    shared = Shared()
    one, other = pair(shared, None, consistency="tracked")
    one["a"] = 1
    get = shared.get_changed

    def get_then_write(*arguments: Any) -> Any:
        answer = get(*arguments)
        shared.get_changed = get  # type: ignore[assignment, method-assign, unused-ignore]
        one["a"] = 2
        time.sleep(0.002)
        other.get("b")  # hears of it
        return answer

    shared.get_changed = get_then_write  # type: ignore[assignment, method-assign, unused-ignore]
    assert other["a"] == 1, "read before the write"
    assert other["a"] == 2


# Faults


def test_a_tier_that_is_down_is_done_without() -> None:
    faults: list[Fault] = []
    shared, rows = Shared(), Rows({"a": 1, "b": 1})
    tiers, _ = pair(shared, rows, on_fault=faults.append, near_ttl=0.05)
    assert tiers["a"] == 1
    shared.down = True
    assert tiers["a"] == 1
    assert tiers["b"] == 1
    for _ in range(10):
        assert tiers.get_many("ab") == {"a": 1, "b": 1}
    assert faults[0].trouble is Trouble.UNAVAILABLE
    assert tiers.stats().faults[Trouble.UNAVAILABLE] < 10, "it is left alone"
    shared.down = False
    assert eventually(lambda: tiers["a"] == 1 and held(shared, "a") == {"a": 1})


def test_writes_while_the_last_tier_is_down() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    sourceless, _ = pair(shared, None)
    tiers, _ = pair(shared, rows)
    shared.down = True
    sourceless["a"] = 1
    assert sourceless.stats().faults[Trouble.DROPPED] == 1
    with pytest.raises(InvalidationError, match="source was written"):
        tiers["a"] = 2
    assert rows.rows["a"] == 2
    calls: list[Callable[[], object]] = [
        lambda: tiers.delete("a"),
        lambda: tiers.invalidate("a"),
        lambda: sourceless.delete("a"),
        lambda: tiers.invalidate_tag("t"),
        tiers.clear,
    ]
    for call in calls:
        with pytest.raises(InvalidationError, match="shared"):
            call()


def test_writes_are_queued_if_asked_for() -> None:
    shared = Shared()
    tiers, other = pair(shared, None, outage="queue")
    tiers["warm"] = 0
    shared.down = True
    tiers["a"] = 1
    assert tiers["a"] == 1, "seen by whoever wrote it"
    assert tiers.stats().waiting == 1
    shared.down = False
    tiers.flush()
    assert other["a"] == 1
    tiers.close()


# Writing behind


def test_writes_behind_are_seen_at_once_and_done_in_order() -> None:
    shared, rows = Shared(), Rows(writable=True)
    rows.seconds = 0.05
    tiers, other = pair(shared, rows, write="behind")
    for number in range(100):
        tiers["a"] = number
        tiers[number] = number
        assert tiers["a"] == number
        assert tiers.get_many(["a", number]) == {"a": number, number: number}
    tiers.flush()
    assert rows.rows == {"a": 99} | {number: number for number in range(100)}
    assert other["a"] == 99
    tiers.delete("a")
    assert tiers.get("a") is None
    tiers["b"] = 1
    tiers.close()
    assert rows.rows["b"] == 1, "a clean stop loses nothing"
    with pytest.raises(TierError, match="closed"):
        tiers["b"] = 2


def test_a_queue_is_bounded() -> None:
    rows = Rows(writable=True)
    tiers = Tiers([Memory(10)], source=rows, write="behind", queue=10, lease=0.2)
    rows.error = OSError("down")
    for number in range(10):
        tiers[number] = number
    with pytest.raises(TierError, match="wait to be done"):
        tiers.set_many({number: number for number in range(10, 100)})
    rows.error = None
    tiers.close()
    assert rows.rows == {number: number for number in range(10)}


def test_a_write_behind_that_can_never_be_done_is_raised_by_flush() -> None:
    rows = Rows(writable=True)

    def refuse(items: Any) -> None:
        if "bad" in items:
            raise ValueError("bad is bad")
        rows.rows.update(items)

    rows.store_many = refuse  # type: ignore[assignment, method-assign, unused-ignore]
    tiers = Tiers([Memory(10)], source=rows, write="behind")
    tiers.set_many({"a": 1, "bad": 2, "c": 3})
    with pytest.raises(ValueError, match="bad is bad"):
        tiers.flush()
    assert rows.rows == {"a": 1, "c": 3}
    tiers.close()


# Between memory and the last tier


def test_what_leaves_memory_goes_down_and_comes_up_again() -> None:
    middle, last, rows = Shared(), Shared(), Rows({i: i for i in range(100)})
    tiers = Tiers([Memory(10, policy="lru"), middle, last], source=rows, ttl=60)
    for _ in range(3):
        for key in range(100):
            assert tiers[key] == key
    assert eventually(lambda: len(held(middle, *range(100))) >= 80)
    last.calls.clear()
    assert [tiers[key] for key in range(20)] == list(range(20))
    assert "get_many" not in last.calls
    assert tiers.stats().hits["shared1"] >= 10


def test_one_hit_wonders_stay_away_from_the_disk() -> None:
    middle, rows = Shared(), Rows({i: i for i in range(100)})
    tiers = Tiers([Memory(10, policy="lru"), middle, Shared()], source=rows, ttl=60)
    for key in range(100):
        assert tiers[key] == key
    time.sleep(0.05)
    assert held(middle, *range(100)) == {}
    tiers.close()


def test_a_write_is_not_undone_by_what_was_on_its_way_down() -> None:
    middle, last = Shared(), Shared()
    tiers: Tiers[int, int] = Tiers([Memory(2, policy="lru"), middle, last], ttl=60)
    for number in range(200):
        for key in range(6):
            tiers[key] = number
            assert tiers[key] == number
    assert eventually(lambda: all(value == 199 for value in held(middle, *range(6)).values()))
    tiers.close()


@pytest.mark.parametrize("consistency", ["tracked", "validated"])
def test_a_middle_tier_is_asked_by_version(consistency: Any) -> None:
    last = Shared()
    one, other = (
        Tiers[int, Any]([Memory(2, policy="lru"), Shared(), last], consistency=consistency)
        for _ in "ab"
    )
    for number in range(30):
        for key in range(5):
            one[key] = (number, key)
        time.sleep(0.001)
        for key in range(5):
            assert other[key] == (number, key)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([],), "at least one tier"),
        ((Memory(1),), "list of tiers"),
        (([Memory(1), Memory(1)],), "first tier"),
        ((["memory"],), "is no tier"),
        (([Memory(1), Shared()],), "near_ttl"),
    ],
)
def test_tiers_that_make_no_sense(arguments: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Tiers(*arguments)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"consistency": "strong"}, "ttl, tracked, validated"),
        ({"write": "never"}, "through, behind"),
        ({"outage": "cry"}, "drop, queue"),
        ({"ttl": -1}, "ttl"),
        ({"stale": -1}, "stale"),
        ({"jitter": 2}, "jitter"),
        ({"lease": None}, "lease"),
        ({"queue": 0}, "queue"),
        ({"eagerness": -1}, "eagerness"),
        ({"namespace": 7}, "namespace"),
        ({"tags": "t"}, "tags"),
        ({"source": 7}, "source"),
    ],
)
def test_options_that_make_no_sense(options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Tiers([Memory(1)], **options)


def test_a_memory_serves_one_only() -> None:
    memory = Memory(10)
    Tiers([memory])
    with pytest.raises(ConfigurationError, match="in use"):
        Tiers([memory])


def test_one_tag_is_no_list_of_letters() -> None:
    with pytest.raises(ConfigurationError, match="several names"):
        Tiers[str, int]([Memory(1)]).set("a", 1, tags="red")


def test_seen_before_forgets() -> None:
    placement = SeenBefore(2)
    assert [placement.goes_down(key) for key in "aabcdea"] == [False, True, *[False] * 5]


def test_coroutines_ask_whether_a_value_is_held_and_wait_for_writes() -> None:
    written: dict[str, int] = {}
    source = Loader(written.__getitem__, store=written.__setitem__, remove=written.pop)

    async def run() -> None:
        memory, shared = Memory(10), Shared()
        tiers: Tiers[str, int] = Tiers([memory, shared], source=source, ttl=60, write="behind")
        await tiers.aset("a", 1)
        await tiers.aflush()
        assert written == {"a": 1}
        assert await tiers.acontains("a")
        assert not await tiers.acontains("b")
        await tiers.aclose()

    asyncio.run(run())
