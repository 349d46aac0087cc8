"""`augury.Tiers` while parts of it fail, or processes are forked, at the worst moment."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from augury.codecs import Serializer
from augury.errors import InvalidationError, TierError
from augury.loading import seconds
from augury.tiers import Entry, Lease, Memory, Tiers
from augury.tiers.entry import is_live
from augury.tiers.frame import pack, unpack
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held


def failing(method: Callable[..., Any], shared: Shared, times: int = 1) -> Callable[..., Any]:
    """The method of a tier, which fails so many times."""
    left = [times]

    def call(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise TierError(f"{shared.name} is full")
        return method(*arguments)

    return call


# Writes


def test_a_write_that_could_only_delete_has_done_enough() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    tiers = Tiers([Memory(10), shared], source=rows, ttl=60)
    assert tiers["a"] == 1
    shared.lease_many = failing(shared.lease_many, shared)  # type: ignore
    tiers["a"] = 2
    assert held(shared, "a") == {}
    assert tiers["a"] == 2


def test_a_write_that_could_not_even_delete_is_loud() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    tiers = Tiers([Memory(10), shared], source=rows, ttl=60)
    assert tiers["a"] == 1
    shared.down = True
    with pytest.raises(InvalidationError, match="may still serve old values of 1 keys"):
        tiers["a"] = 2
    assert rows.rows == {"a": 2}


def test_a_value_that_no_entry_can_be_made_of_leaves_no_lease_behind() -> None:
    shared, rows = Shared(), Rows(writable=True)

    def ttl(value: Any) -> float:
        if value == "odd":
            raise ValueError("no ttl")
        return 60.0

    tiers: Tiers[str, str] = Tiers([Memory(10), shared], source=rows, ttl=ttl)
    with pytest.raises(ValueError, match="no ttl"):
        tiers["a"] = "odd"
    assert held(shared, "a") == {}
    assert rows.rows == {}


def test_a_value_that_the_last_tier_cannot_take_leaves_no_lease_behind() -> None:
    shared, rows = Shared(), Rows(writable=True)
    tiers: Tiers[str, Any] = Tiers([Memory(10), shared], source=rows, ttl=60)

    def refuse(*_: Any) -> Any:
        raise ValueError("no codec takes it")

    shared.fill_many = refuse  # type: ignore
    with pytest.raises(ValueError, match="no codec"):
        tiers["a"] = object()
    assert held(shared, "a") == {}


def test_a_delete_is_not_undone_by_an_earlier_write_that_is_tried_again() -> None:
    rows = Rows(writable=True)
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=rows, write="behind")
    begun, go_on = threading.Event(), threading.Event()
    store = rows.store_many

    def fail_once(items: Any) -> None:
        rows.store_many = store  # type: ignore
        begun.set()
        go_on.wait(10)
        raise ConnectionResetError("try again")

    rows.store_many = fail_once  # type: ignore
    tiers["a"] = 1
    begun.wait(10)
    deleting = threading.Thread(target=tiers.delete, args=("a",))
    deleting.start()
    go_on.set()
    deleting.join()
    tiers["b"] = 2
    tiers.flush()
    assert rows.rows == {"b": 2}


def test_writes_behind_go_together_whatever_their_tags() -> None:
    rows = Rows(writable=True)
    rows.seconds = 0.05
    batches: list[int] = []
    store = rows.store_many

    def count(items: Any) -> None:
        batches.append(len(items))
        store(items)

    rows.store_many = count  # type: ignore
    tiers: Tiers[int, int] = Tiers(
        [Memory(10)], source=rows, write="behind", tags=lambda key: [f"tag {key}"]
    )
    for number in range(100):
        tiers[number] = number
    tiers.flush()
    assert rows.rows == {number: number for number in range(100)}
    assert len(batches) < 10


# Loads


def test_whoever_joins_a_load_after_a_write_does_not_get_what_was_there_before() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    one, other = (
        Tiers[str, int]([Memory(10), shared], source=rows, consistency="validated")
        for _ in range(2)
    )
    assert other.get("b") is None  # from now on their one tag is known
    filled, go_on = threading.Event(), threading.Event()
    fill = shared.fill_many

    def hold_up(*arguments: Any) -> Any:
        stored = fill(*arguments)
        filled.set()
        go_on.wait(10)
        return stored

    shared.fill_many = hold_up  # type: ignore
    slow = threading.Thread(target=one.get, args=("a",))
    slow.start()
    filled.wait(10)
    other.delete("a")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(one.get, "a")
        assert eventually(lambda: one.stats().joined)
        go_on.set()
        assert late.result() is None


@pytest.mark.parametrize("consistency", ["ttl", "tracked", "validated"])
def test_few_loads_answer_all_who_ask_while_the_last_tier_is_down(consistency: Any) -> None:
    shared, rows = Shared(), Rows({"a": 1})
    rows.seconds = 0.05
    tiers = Tiers([Memory(10), shared], source=rows, consistency=consistency, ttl=60)
    shared.down = True
    for listener in shared.listeners:
        listener.lost = True
    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(tiers.get, ["a"] * 100)) == {1}
    assert len(rows.asked) <= 10


def test_a_loader_that_fails_to_store_leaves_no_lease_behind() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], source=Rows({"a": 1}), ttl=60)

    def refuse(*_: Any) -> Any:
        raise ValueError("no codec takes it")

    shared.fill_many = refuse  # type: ignore
    with pytest.raises(ValueError, match="no codec"):
        tiers.get("a")
    assert held(shared, "a") == {}


def test_a_task_that_is_cancelled_while_it_gets_a_lease_leaves_none_behind() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], source=Rows({"a": 1}), ttl=60)
    lease = shared.lease_many

    async def main() -> None:
        leased = asyncio.Event()

        async def slowly(*arguments: Any) -> Any:
            in_the_way = lease(*arguments)
            leased.set()
            await asyncio.sleep(10)
            return in_the_way

        shared.alease_many = slowly  # type: ignore
        reading = asyncio.create_task(tiers.aget("a"))
        await leased.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())
    assert held(shared, "a") == {}


def test_an_entry_with_a_dropped_tag_is_loaded_once_by_all_processes() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    many = [
        Tiers[str, int]([Memory(10), shared], source=rows, ttl=60, tags=lambda _: ["t"])
        for _ in range(4)
    ]
    assert [tiers["a"] for tiers in many] == [1] * 4
    rows.seconds = 0.05
    for tiers in many:
        tiers.invalidate_tag("t")
    rows.asked.clear()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda tiers: tiers["a"], many)) == [1] * 4
    assert rows.asked == ["a"]


def test_a_refresh_that_finds_nothing_does_not_delete_what_was_set_meanwhile() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([shared], ttl=0.01, stale=60, jitter=0)

    def load(_: str) -> int:
        tiers.set("a", 2, ttl=60)
        raise KeyError

    tiers["a"] = 1
    assert eventually(lambda: tiers.get_or_load("a", load) == 2)
    assert eventually(lambda: not tiers._operations.wiring.board.has("a"))
    assert tiers["a"] == 2


def test_what_is_stale_is_refreshed_without_memory_too() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    tiers: Tiers[str, int] = Tiers([shared], source=rows, ttl=0.01, stale=60, jitter=0)
    assert tiers["a"] == 1
    rows.rows["a"] = 2
    assert eventually(lambda: tiers["a"] == 2)


# Copies


def test_no_copy_is_kept_of_what_was_asked_before_writes_were_heard_of() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    one, other = (
        Tiers[str, int]([Memory(10), shared], source=rows, consistency="tracked") for _ in range(2)
    )
    heard = shared.listeners[0]
    assert other["a"] == 1
    heard.lost = True
    get = shared.get_many

    def another_process_writes(*arguments: Any) -> Any:
        answer = get(*arguments)
        shared.get_many = get  # type: ignore
        other["a"] = 2
        heard.poll()  # nobody has heard of it
        heard.lost = False
        return answer

    shared.get_many = another_process_writes  # type: ignore
    one.get("a")
    assert one["a"] == 2


# Tags


def test_dropped_tags_are_seen_without_memory_that_tracks() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    one, other = (
        Tiers[str, int]([shared], source=rows, consistency="tracked", tags=lambda _: ["t"])
        for _ in range(2)
    )
    assert (one["a"], other["a"]) == (1, 1)
    rows.rows["a"] = 2
    one.invalidate_tag("t")
    assert other["a"] == 2


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_listens_though_its_parent_was_forked_while_listening() -> None:
    shared = Shared()
    tiers = Tiers([Memory(10), shared], source=Rows({"a": 1}), consistency="tracked")
    assert tiers["a"] == 1
    heard = shared.listeners[0]
    polling, go_on = threading.Event(), threading.Event()
    poll = heard.poll

    def slowly() -> list[bytes] | None:
        polling.set()
        go_on.wait(10)
        return poll()

    heard.poll = slowly  # type: ignore
    tiers._operations.wiring.listens_at = 0.0
    listening = threading.Thread(target=tiers.get, args=("a",))
    listening.start()
    polling.wait(10)
    child = os.fork()
    if not child:
        heard.poll = poll  # type: ignore
        os._exit(0 if tiers["a"] == 1 else 1)
    go_on.set()
    listening.join()

    def ended() -> bool:
        return os.waitpid(child, os.WNOHANG)[0] == child

    if not eventually(ended):
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")


# Listeners, clocks, and times


def test_a_listener_that_fails_does_not_make_reads_fail() -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("the listener's own fault")

    shared = Shared()
    tiers: Tiers[str, int] = Tiers(
        [Memory(10), shared], source=Rows({"a": 1}), ttl=60, on_fault=fail
    )
    shared.down = True
    assert tiers["a"] == 1


def test_a_listener_may_wait_for_another_thread_that_reads() -> None:
    shared = Shared()
    ended: list[bool] = []

    def wait_for_another(fault: Any) -> None:
        if fault.trouble == "lost":
            reading = threading.Thread(target=tiers.get, args=("a",), daemon=True)
            reading.start()
            reading.join(5)
            ended.append(not reading.is_alive())

    tiers: Tiers[str, int] = Tiers(
        [Memory(10), shared],
        source=Rows({"a": 1}),
        consistency="tracked",
        on_fault=wait_for_another,
    )
    assert tiers["a"] == 1
    shared.listeners[0].lost = True
    assert eventually(lambda: tiers["a"] == 1 and ended)
    assert ended == [True]


def test_tasks_that_are_cancelled_at_once_do_not_make_a_tier_look_down() -> None:
    shared = Shared()
    tiers: Tiers[Any, int] = Tiers([shared])

    async def hang(*_: Any) -> Any:
        await asyncio.sleep(10)

    async def main() -> None:
        get_many, shared.aget_many = shared.aget_many, hang  # type: ignore
        reads = [asyncio.create_task(tiers.aget(key)) for key in range(10)]
        await asyncio.sleep(0)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        shared.aget_many = get_many  # type: ignore
        await tiers.aset("a", 1)

    asyncio.run(main())
    assert held(shared, "a") == {"a": 1}


def test_writes_are_heard_of_though_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Shared()
    one, other = (Tiers[str, int]([Memory(10), shared], consistency="tracked") for _ in range(2))
    one["a"] = 1
    assert other["a"] == 1
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3_600)
    one["a"] = 2
    time.sleep(0.002)  # after which it is heard of
    assert other["a"] == 2


def test_dropped_tags_are_seen_though_the_clock_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, rows = Shared(), Rows({"a": 1})
    one, other = (
        Tiers[str, int]([Memory(10), shared], source=rows, consistency="validated")
        for _ in range(2)
    )
    assert other["a"] == 1
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3_600)
    rows.rows["a"] = 2
    one.clear()
    assert other["a"] == 2


@pytest.mark.parametrize("ttl", [1e-9, 1e15, 1e300, timedelta.max])
def test_times_that_are_very_short_or_long(ttl: Any) -> None:
    until = time.time() + seconds(ttl)
    entry = unpack(b"a" * 32, pack(b"a" * 32, Entry(1, expires=until), Serializer()), Serializer())
    lease = unpack(b"a" * 32, pack(b"a" * 32, Lease(until), Serializer()), Serializer())
    assert is_live(entry, time.time()) == is_live(lease, time.time()) == (seconds(ttl) > 1)


def test_what_the_source_has_is_not_written_again() -> None:
    """The last tier could not be told: another process may have written the row meanwhile."""
    shared, rows = Shared(), Rows(writable=True)
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], source=rows, ttl=60, write="behind")
    shared.set_many({("", "a"): Entry("old")})
    shared.down = True
    tiers["a"] = 1
    assert eventually(lambda: rows.rows.get("a") == 1)
    rows.rows["a"] = 2  # another process
    time.sleep(0.1)
    assert rows.rows["a"] == 2
    shared.down = False
    tiers.flush()
    assert held(shared, "a") == {}
    assert tiers["a"] == 2
    tiers.close()


def test_two_writers_without_a_lease_leave_no_copy_of_what_the_first_wrote() -> None:
    begun, go_on = threading.Event(), threading.Event()
    rows = Rows(writable=True)
    store = rows.store_many

    def store_slowly(items: Any) -> None:
        if items == {"a": 2}:
            begun.set()
            go_on.wait(10)
        store(items)

    rows.store_many = store_slowly  # type: ignore
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=rows)
    writing = threading.Thread(target=tiers.set, args=("a", 2))
    writing.start()
    begun.wait(10)
    tiers["a"] = 1
    assert tiers["a"] == 1
    go_on.set()
    writing.join()
    assert rows.rows == {"a": 2}
    assert tiers["a"] == 2


def test_a_tier_that_cannot_be_closed_keeps_no_other_from_it() -> None:
    closed: list[str] = []

    def refuse() -> None:
        raise TierError("no")

    shared, rows = Shared(), Rows()
    shared.close = refuse  # type: ignore[method-assign]
    rows.close = lambda: closed.append("source")  # type: ignore[method-assign]
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], source=rows, ttl=60)
    with pytest.raises(TierError, match="no"):
        tiers.close()
    assert closed == ["source"]
