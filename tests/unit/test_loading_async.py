"""Single flight among coroutines, in one event loop and in many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from augury import Cache
from augury.errors import ConfigurationError

WAIT = 30.0  # seconds until a test gives up


class Boom(Exception):
    pass


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Gate:
    """An asynchronous loader that waits to be opened, and counts its calls."""

    def __init__(self, outcome: Any = "value") -> None:
        self.outcome = outcome
        self.calls = 0
        self.open = asyncio.Event()

    async def __call__(self, key: object) -> Any:
        self.calls += 1
        await self.open.wait()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def run(main: Callable[[Cache[str, Any]], Awaitable[None]]) -> None:
    cache: Cache[str, Any] = Cache(8)

    async def limited() -> None:
        await asyncio.wait_for(main(cache), WAIT)
        await settle()
        assert not cache._flights
        cache.validate()

    asyncio.run(limited(), debug=True)


def test_a_loader_runs_once_for_all_coroutines() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate()
        tasks = [asyncio.ensure_future(cache.aget_or_load("k", gate)) for _ in range(20)]
        await settle()
        gate.open.set()
        assert await asyncio.gather(*tasks) == ["value"] * 20
        assert gate.calls == 1
        assert await cache.aget_or_load("k", gate) == cache["k"] == "value"
        assert cache.stats().loads == 1

    run(main)


def test_an_exception_reaches_all_and_is_not_cached() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate(Boom())
        tasks = [asyncio.ensure_future(cache.aget_or_load("k", gate)) for _ in range(5)]
        await settle()
        gate.open.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {Boom}
        assert gate.calls == 1
        assert "k" not in cache
        gate.outcome = 2
        assert await cache.aget_or_load("k", gate) == 2

    run(main)


@pytest.mark.parametrize("cancelled", [0, 1, 4])
def test_cancelling_one_leaves_the_others_their_answer(cancelled: int) -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate()
        tasks = [asyncio.ensure_future(cache.aget_or_load("k", gate)) for _ in range(5)]
        await settle()
        tasks[cancelled].cancel()
        await settle()
        assert tasks[cancelled].cancelled()
        gate.open.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert done.count("value") == 4
        assert gate.calls == 1
        assert cache["k"] == "value"

    run(main)


def test_cancelling_all_lets_the_load_finish() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate()
        tasks = [asyncio.ensure_future(cache.aget_or_load("k", gate)) for _ in range(3)]
        await settle()
        for task in tasks:
            task.cancel()
        await settle()
        assert all(task.cancelled() for task in tasks)
        gate.open.set()
        await settle()
        assert cache["k"] == "value"

    run(main)


def test_the_others_load_anew_where_the_load_is_cancelled() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate(asyncio.CancelledError())
        again = Gate("again")
        again.open.set()
        first = asyncio.ensure_future(cache.aget_or_load("k", gate))
        await settle()
        others = [asyncio.ensure_future(cache.aget_or_load("k", again)) for _ in range(3)]
        await settle()
        gate.open.set()
        assert await asyncio.gather(*others) == ["again"] * 3
        with pytest.raises(asyncio.CancelledError):
            await first
        assert again.calls == 1

    run(main)


def test_a_waiter_cancelled_together_with_the_load_stays_cancelled() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate()
        first = asyncio.ensure_future(cache.aget_or_load("k", gate))
        await settle()
        second = asyncio.ensure_future(cache.aget_or_load("k", gate))
        await settle()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task in (first, second) or "_fly" in repr(task):
                task.cancel()
        await settle()
        assert first.cancelled()
        assert second.cancelled()
        assert gate.calls == 1

    run(main)


def test_a_load_cancelled_before_it_began_leaves_nothing_on_the_board() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate()
        gate.open.set()
        coroutine = cache.aget_or_load("k", gate)
        coroutine.send(None)  # the load is a task now, and has not begun
        for task in asyncio.all_tasks():
            if "_fly" in repr(task):
                task.cancel()
        await settle()
        assert not cache._flights
        assert await cache.aget_or_load("k", gate) == "value"
        coroutine.close()

    run(main)


def test_a_load_left_in_a_closed_loop_stands_in_no_ones_way() -> None:
    cache: Cache[str, Any] = Cache(8)
    loop = asyncio.new_event_loop()

    async def leave() -> None:
        task = asyncio.ensure_future(cache.aget_or_load("k", Gate()))
        tasks.append(task)
        await settle()

    tasks: list[Any] = []
    loop.run_until_complete(leave())
    abandoned = asyncio.all_tasks(loop)
    loop.close()
    assert cache._flights

    async def load() -> Any:
        gate = Gate("mine")
        gate.open.set()
        return await asyncio.wait_for(cache.aget_or_load("k", gate), WAIT)

    assert asyncio.run(load()) == "mine"
    assert not cache._flights
    for task in abandoned:
        setattr(task, "_log_destroy_pending", False)  # noqa: B010


def test_event_loops_in_threads_share_a_load() -> None:
    cache: Cache[str, Any] = Cache(8)
    calls: list[int] = []
    release = threading.Event()

    async def loader(key: str) -> str:
        calls.append(1)
        await asyncio.get_running_loop().run_in_executor(None, release.wait, WAIT)
        return "value"

    async def main() -> set[Any]:
        loads = [cache.aget_or_load("k", loader) for _ in range(4)]
        return set(await asyncio.wait_for(asyncio.gather(*loads), WAIT))

    started = threading.Barrier(7)

    def in_thread() -> set[Any]:
        started.wait(WAIT)
        return asyncio.run(main())

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(in_thread) for _ in range(6)]
        started.wait(WAIT)
        release.set()
        assert [future.result(WAIT) for future in futures] == [{"value"}] * 6
    assert len(calls) == 1
    assert not cache._flights


def test_a_loop_that_ends_while_loading_hands_over_to_another() -> None:
    cache: Cache[str, Any] = Cache(8)
    loading, waiting = threading.Event(), threading.Event()

    async def slow(key: str) -> str:
        loading.set()
        await asyncio.sleep(WAIT)
        return "slow"

    async def first() -> None:
        task = asyncio.ensure_future(cache.aget_or_load("k", slow))
        await asyncio.get_running_loop().run_in_executor(None, waiting.wait, WAIT)
        task.cancel()

    async def second() -> Any:
        async def quick(key: str) -> str:
            return "quick"

        task = asyncio.ensure_future(cache.aget_or_load("k", quick))
        await settle()
        waiting.set()
        return await asyncio.wait_for(task, WAIT)

    with ThreadPoolExecutor(2) as pool:
        ending = pool.submit(asyncio.run, first())
        assert loading.wait(WAIT)
        assert pool.submit(asyncio.run, second()).result(WAIT) == "quick"
        ending.result(WAIT)
    assert cache["k"] == "quick"
    assert not cache._flights


def test_threads_and_coroutines_do_not_wait_for_each_other() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate("coroutine's")
        task = asyncio.ensure_future(cache.aget_or_load("k", gate))
        await settle()
        assert cache.get_or_load("k", lambda _: "thread's") == "thread's"
        gate.open.set()
        assert await task == cache["k"] == "coroutine's"

        async def loader(key: str) -> str:
            return "coroutine's"

        def in_thread(key: str) -> str:
            future = asyncio.run_coroutine_threadsafe(cache.aget_or_load(key, loader), loop)
            assert future.result(WAIT) == "coroutine's"
            return "thread's"

        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(None, cache.get_or_load, "j", in_thread)
        assert loaded == cache["j"] == "thread's"

    run(main)


@pytest.mark.parametrize("write", ["set", "delete", "clear"])
def test_a_write_during_a_load_wins(write: str) -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate("old")
        task = asyncio.ensure_future(cache.aget_or_load("k", gate))
        await settle()
        if write == "set":
            cache["k"] = "new"
        elif write == "delete":
            cache.delete("k")
        else:
            cache.clear()
        gate.open.set()
        assert await task == "old"
        assert cache.get("k") == ("new" if write == "set" else None)

    run(main)


def test_failures_are_remembered_as_asked() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        gate = Gate(KeyError("k"))
        gate.open.set()
        for _ in range(3):
            with pytest.raises(KeyError):
                await cache.aget_or_load("k", gate, negative_ttl=60)
        assert gate.calls == 1
        gate.outcome = Boom()
        for _ in range(3):
            with pytest.raises(Boom):
                await cache.aget_or_load("b", gate, error_ttl=60)
        assert gate.calls == 2

    run(main)


def test_wrong_options_let_no_one_wait() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        for outcome, options in ((KeyError(), {"negative_ttl": -1}), (1, {"ttl": 0})):
            gate = Gate(outcome)
            load = [
                asyncio.ensure_future(cache.aget_or_load("k", gate, **options)) for _ in range(3)
            ]
            await settle()
            gate.open.set()
            results = await asyncio.gather(*load, return_exceptions=True)
            assert isinstance(results[0], ConfigurationError)
            assert results[1:] == [outcome] * 2
        with pytest.raises(TypeError, match="tll"):
            await cache.aget_or_load("k", gate, tll=1)  # type: ignore[call-arg]

    run(main)


def test_many_keys_at_once() -> None:
    async def main(cache: Cache[str, Any]) -> None:
        calls: list[str] = []

        async def loader(key: str) -> str:
            calls.append(key)
            await asyncio.sleep(0)
            return key

        async def work(number: int) -> None:
            for step in range(40):
                key = str((number + step * step) % 12)
                assert await cache.aget_or_load(key, loader) == key
                if step % 9 == number % 9:
                    cache.delete(key)

        await asyncio.gather(*(work(number) for number in range(20)))
        assert cache.stats().loads == len(calls)

    run(main)
