"""Reads and writes that end, are given up, or hang leave nothing behind in `augury.Tiers`."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from augury.tiers import Lease, Memory, Tiers
from augury.tiers.filling import Loading
from augury.tiers.ways import AWAITING
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held


def slowly(method: Callable[..., Any], begun: asyncio.Event) -> Callable[..., Any]:
    """The coroutine twin of a method, whose answer takes very long."""

    async def call(*arguments: Any) -> Any:
        answer = method(*arguments)
        begun.set()
        await asyncio.sleep(10)
        return answer

    return call


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_writer_that_is_cancelled_while_it_gets_a_lease_leaves_none() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], source=Rows(writable=True), ttl=60)

    async def main() -> None:
        begun = asyncio.Event()
        shared.alease_many = slowly(shared.lease_many, begun)  # type: ignore
        writing = asyncio.create_task(tiers.aset("a", 1))
        await begun.wait()
        await cancelled(writing)

    asyncio.run(main())
    assert held(shared, "a") == {}


def test_a_reader_that_is_cancelled_while_it_looks_at_tags_leaves_no_lease() -> None:
    shared, rows = Shared(), Rows({"a": 1, "b": 2})
    loads = Tiers[str, int]([shared], source=rows, ttl=60)
    reader = Tiers[str, int]([shared], source=rows, ttl=60)
    lease = shared.lease_many

    async def main() -> None:
        begun = asyncio.Event()

        async def lets_another_be_first(*arguments: Any) -> Any:
            loads.get("b")
            in_the_way = lease(*arguments)
            shared.aget_many = slowly(shared.get_many, begun)  # type: ignore
            return in_the_way

        shared.alease_many = lets_another_be_first  # type: ignore
        reading = asyncio.create_task(reader.aget_many(["a", "b"]))
        await begun.wait()
        await cancelled(reading)

    asyncio.run(main())
    assert held(shared, "a", "b") == {"b": 2}


def test_a_refresh_that_is_cancelled_while_it_takes_its_turn_gives_it_back() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    tiers: Tiers[str, int] = Tiers([shared], source=rows, ttl=0.01, stale=60, jitter=0)
    assert tiers["a"] == 1
    assert eventually(lambda: tiers.get("a") and tiers.stats().refreshes)

    async def main() -> None:
        begun = asyncio.Event()
        shared.alease_many = slowly(shared.lease_many, begun)  # type: ignore
        while not begun.is_set():
            assert await tiers.aget("a") == 1
            await asyncio.sleep(0.002)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await cancelled(task)

    asyncio.run(main())
    assert not any(isinstance(it, Lease) for it in shared._leases.values())


def test_who_is_cancelled_while_he_waits_for_company_leaves_no_flight() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=Rows({"a": 1}))
    board = tiers._wiring.board

    async def main() -> None:
        written = board.claim(["a"], object())
        written["a"].joinable = True
        reading = asyncio.create_task(tiers.aget("a"))
        await asyncio.sleep(0)
        board.land(written, {}, error=asyncio.CancelledError())
        while not board.has("a"):
            await asyncio.sleep(0)
        await cancelled(reading)

    asyncio.run(main())
    assert not board.has("a")


def test_a_refresh_that_is_cancelled_before_it_begins_leaves_no_flight() -> None:
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=Rows({"a": 1}), ttl=60)
    assert tiers["a"] == 1
    filler = tiers._operations._reader._filler

    async def main() -> None:
        entry = tiers._wiring.near.cache["a"].entry  # type: ignore[union-attr]
        filler.refresh_later(AWAITING, "a", entry, Loading(Rows()))
        assert tiers._wiring.board.has("a")
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await cancelled(task)

    asyncio.run(main())
    assert not tiers._wiring.board.has("a")


def test_an_error_that_all_have_been_told_is_not_reported_as_if_nobody_had() -> None:
    reported: list[Any] = []

    async def load(_: str) -> int:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        tiers: Tiers[str, int] = Tiers([Memory(10)], source=load)
        told = await asyncio.gather(*(tiers.aget("a") for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in told] == [ValueError] * 3

    asyncio.run(main())
    gc.collect()
    assert reported == []


def test_a_load_that_hangs_is_given_up_by_others() -> None:
    hangs = threading.Event()
    begun = threading.Event()
    loads: list[int] = []

    def load(_: str) -> int:
        loads.append(len(loads))
        if len(loads) == 1:
            begun.set()
            hangs.wait(30)
        return 1

    tiers: Tiers[str, int] = Tiers([Memory(10)], source=load, lease=0.05)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tiers.get, "a")
        begun.wait(10)
        assert tiers["a"] == 1
        assert tiers["a"] == 1
        assert len(loads) == 2  # what the second one brought is kept
        assert tiers.stats().joined == 1
        hangs.set()
        assert first.result() == 1


def test_keys_that_no_copy_is_kept_of_are_not_remembered() -> None:
    tiers: Tiers[int, int] = Tiers([Memory(10), Shared()], source=Rows(), consistency="tracked")
    assert tiers.get_many(range(100)) == {}
    near = tiers._wiring.near
    assert near is not None
    assert near._names == {}


def test_stale_values_are_refreshed_where_there_is_no_memory() -> None:
    rows = Rows({"a": 1})
    tiers: Tiers[str, int] = Tiers([Shared()], source=rows, ttl=0.01, stale=60, jitter=0)
    assert tiers["a"] == 1
    rows.rows["a"] = 2
    assert eventually(lambda: tiers["a"] == 2)


def test_a_tag_that_is_dropped_while_a_copy_is_looked_at() -> None:
    rows = Rows({"a": 1})
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=rows)
    assert tiers["a"] == 1
    generations = tiers._wiring.generations
    holds = generations.holds

    def drops_then(*arguments: Any, **options: Any) -> bool:
        held = holds(*arguments, **options)
        generations.holds = holds  # type: ignore[method-assign]
        tiers.clear()
        return held

    tiers._wiring.look_again()
    generations.holds = drops_then  # type: ignore[method-assign]
    rows.rows["a"] = 2
    assert tiers["a"] == 1  # it was true when the read began
    assert tiers["a"] == 2


def test_a_refresh_that_hangs_does_not_keep_the_interpreter_from_ending() -> None:
    script = """
import threading
from augury.tiers import Memory, Tiers

begun = threading.Event()

def load(key):
    if threading.current_thread() is not threading.main_thread():
        begun.set()
        threading.Event().wait()
    return key

tiers = Tiers([Memory(10)], source=load, ttl=0.001, stale=60)
while not begun.is_set():
    assert tiers["a"] == "a"
"""
    ended = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert ended.returncode == 0


def test_many_refreshes_are_all_done_in_few_threads() -> None:
    rows = Rows(dict.fromkeys(range(100), 1))
    tiers: Tiers[int, int] = Tiers([Memory(100)], source=rows, ttl=0.001, stale=60, jitter=0)
    assert len(tiers.get_many(range(100))) == 100
    rows.rows = dict.fromkeys(range(100), 2)
    threads = {*threading.enumerate()}
    rows.after_read = lambda: threads.update(threading.enumerate())
    assert eventually(lambda: {*tiers.get_many(range(100)).values()} == {2})
    assert len(threads) < 100
