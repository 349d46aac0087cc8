"""Concurrent look-ups become batches, and each caller gets what it asked for."""

import asyncio
import gc
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import ConfigurationError
from augury.sources import Coalesced, Loader, Source

LONG = 60.0


class Gated(Source[int, int]):
    """Negates keys that are not divisible by 10, once it is let go; keeps what it was asked."""

    asynchronous = True

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()

    def load_many(self, keys: Sequence[int]) -> dict[int, int]:
        self.batches.append(list(keys))
        self.asked.release()
        assert self.go.wait(LONG)
        if -13 in keys:
            raise ZeroDivisionError("-13")
        return {key: -key for key in keys if key % 10}

    async def aload_many(self, keys: Sequence[int]) -> dict[int, int]:
        self.batches.append(list(keys))
        self.asked.release()
        while not self.go.is_set():
            await asyncio.sleep(0.001)
        if -13 in keys:
            raise ZeroDivisionError("-13")
        return {key: -key for key in keys if key % 10}


def wait_until_forming(source: Coalesced[int, int], keys: int) -> None:
    while source._forming is None or len(source._forming.keys) != keys:
        threading.Event().wait(0.001)


def leak_nothing(source: Coalesced[Any, Any]) -> bool:
    return source._forming is None and source._under_way == 0 and not source._leaders


def test_a_lone_look_up_goes_at_once() -> None:
    source = Gated()
    source.go.set()
    coalesced = Coalesced(source, wait=None)
    assert coalesced.load_many([1]) == {1: -1}
    assert coalesced.load_many([10]) == {}
    assert coalesced.load_many([]) == {}
    assert asyncio.run(coalesced.aload_many([2, 3, 2, 20])) == {2: -2, 3: -3}
    assert source.batches == [[1], [10], [2, 3, 20]]
    assert leak_nothing(coalesced)


def test_threads_that_come_meanwhile_become_one_batch() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)
    with ThreadPoolExecutor(32) as threads:
        first = threads.submit(coalesced.load_many, [1])
        source.asked.acquire()
        keys = [2, 3, 10, 3, 2, 4]
        others = []
        for count, key in enumerate(keys, 1):
            others.append(threads.submit(coalesced.load_many, [key]))
            wait_until_forming(coalesced, len(set(keys[:count])))
        source.go.set()
        assert first.result() == {1: -1}
        assert [other.result() for other in others] == [{k: -k} if k % 10 else {} for k in keys]
    assert source.batches == [[1], [2, 3, 10, 4]]
    assert leak_nothing(coalesced)


def test_a_thousand_tasks_are_a_few_batches() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None, most=100)

    async def ask() -> list[dict[int, int]]:
        tasks = [asyncio.ensure_future(coalesced.aload_many([key])) for key in range(1, 1002)]
        await asyncio.sleep(0)
        source.go.set()
        return await asyncio.gather(*tasks)

    found = asyncio.run(ask())
    assert found == [{key: -key} if key % 10 else {} for key in range(1, 1002)]
    assert [len(batch) for batch in source.batches] == [1] + [100] * 10
    assert leak_nothing(coalesced)


def test_threads_and_event_loops_share_batches() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(asyncio.run, coalesced.aload_many([1]))
        source.asked.acquire()
        others = []
        for key in range(2, 8):
            if key % 2:
                others.append(threads.submit(coalesced.load_many, [key]))
            else:
                others.append(threads.submit(asyncio.run, coalesced.aload_many([key])))
            wait_until_forming(coalesced, key - 1)
        source.go.set()
        assert first.result() == {1: -1}
        assert [other.result() for other in others] == [{key: -key} for key in range(2, 8)]
    assert len(source.batches) == 2
    assert leak_nothing(coalesced)


def test_a_full_batch_waits_for_none_and_larger_look_ups_go_alone() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None, most=3)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(coalesced.load_many, [1])]
        source.asked.acquire()
        waiting.append(threads.submit(coalesced.load_many, [2, 3, 4]))
        source.asked.acquire()
        waiting.append(threads.submit(coalesced.load_many, [5, 6]))
        wait_until_forming(coalesced, 2)
        waiting.append(threads.submit(coalesced.load_many, [7, 8]))  # pushes the former out
        source.asked.acquire()
        waiting.append(threads.submit(coalesced.load_many, [1, 2, 3, 4]))
        source.asked.acquire()
        assert source.batches == [[1], [2, 3, 4], [5, 6], [1, 2, 3, 4]]
        source.go.set()
        assert [len(each.result()) for each in waiting] == [1, 3, 2, 2, 4]
    assert leak_nothing(coalesced)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_look_up_waits_longer_than_asked_for_one_that_hangs(asynchronous: bool) -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=0.001)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(coalesced.load_many, [1])
        source.asked.acquire()
        if asynchronous:
            second = threads.submit(asyncio.run, coalesced.aload_many([2]))
        else:
            second = threads.submit(coalesced.load_many, [2])
        source.asked.acquire()  # while the first still hangs
        source.go.set()
        assert first.result() == {1: -1}
        assert second.result() == {2: -2}
    assert leak_nothing(coalesced)


def test_an_error_reaches_all_callers_of_its_batch_and_no_other() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)

    async def ask() -> list[dict[int, int] | BaseException]:
        asked = [asyncio.ensure_future(coalesced.aload_many([key])) for key in (1, 12, -13, 14)]
        await asyncio.sleep(0)
        source.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    first, *others = asyncio.run(ask())
    assert first == {1: -1}
    assert [type(each) for each in others] == [ZeroDivisionError] * 3
    assert coalesced.load_many([14]) == {14: -14}
    assert leak_nothing(coalesced)


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_cancelling_one_leaves_the_others_theirs(cancelled: int) -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)

    async def ask() -> list[dict[int, int] | BaseException]:
        asked = [asyncio.ensure_future(coalesced.aload_many([key])) for key in (1, 2, 3)]
        await asyncio.sleep(0.005)
        asked[cancelled].cancel()
        await asyncio.sleep(0.005)
        source.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(ask())
    assert isinstance(found.pop(cancelled), asyncio.CancelledError)
    assert found == [{key: -key} for index, key in enumerate((1, 2, 3)) if index != cancelled]
    assert leak_nothing(coalesced)


def test_an_error_whose_callers_have_gone_is_not_reported() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)
    reported: list[dict[str, Any]] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        asked = [asyncio.ensure_future(coalesced.aload_many([-13])) for _ in range(3)]
        await asyncio.sleep(0.005)
        for each in asked:
            each.cancel()
        await asyncio.sleep(0)
        source.go.set()
        while not leak_nothing(coalesced):
            await asyncio.sleep(0.001)

    asyncio.run(ask())
    gc.collect()
    assert reported == []


def test_who_waits_for_a_loop_that_ends_asks_anew() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)
    end = threading.Event()

    async def lead() -> None:
        task = asyncio.ensure_future(coalesced.aload_many([1]))
        while not end.is_set():
            await asyncio.sleep(0.001)
        assert not task.done()

    async def follow() -> dict[int, int]:
        return await coalesced.aload_many([3])

    with ThreadPoolExecutor(4) as threads:
        leader = threads.submit(asyncio.run, lead())
        source.asked.acquire()
        followers = [threads.submit(coalesced.load_many, [2])]
        wait_until_forming(coalesced, 1)
        followers.append(threads.submit(asyncio.run, follow()))
        wait_until_forming(coalesced, 2)
        end.set()
        leader.result()
        source.go.set()
        assert [each.result() for each in followers] == [{2: -2}, {3: -3}]
    assert leak_nothing(coalesced)


def test_followers_of_a_cancelled_leader_ask_anew() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)
    end = threading.Event()

    async def lead() -> None:
        asked = [asyncio.ensure_future(coalesced.aload_many([key])) for key in (1, 2)]
        while not end.is_set():
            await asyncio.sleep(0.001)
        assert not any(each.done() for each in asked)

    with ThreadPoolExecutor(4) as threads:
        leader = threads.submit(asyncio.run, lead())
        wait_until_forming(coalesced, 1)
        follower = threads.submit(coalesced.load_many, [3])
        wait_until_forming(coalesced, 2)
        end.set()
        leader.result()
        source.go.set()
        assert follower.result() == {3: -3}
    assert leak_nothing(coalesced)


Step = tuple[bool, list[int]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 12), min_size=1, max_size=4)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 6),
    st.sampled_from([None, 0, 0.0005]),
    st.lists(st.sampled_from([0, 0.0002, 0.001]), min_size=1, max_size=5),
)
def test_results_equal_those_of_single_loads(
    steps: list[Step], most: int, wait: float | None, pauses: list[float]
) -> None:
    calls = 0

    def load(keys: Sequence[int]) -> dict[int, int]:
        nonlocal calls
        calls += 1
        threading.Event().wait(pauses[calls % len(pauses)])
        return {key: key * key for key in keys if key % 3}

    source: Source[int, int] = Loader(load, batch=True)
    coalesced = Coalesced(source, wait=wait, most=most)

    async def ask_all(asked: list[list[int]]) -> list[dict[int, int]]:
        return await asyncio.gather(*(coalesced.aload_many(keys) for keys in asked))

    by_tasks = [keys for in_task, keys in steps if in_task]
    by_threads = [keys for in_task, keys in steps if not in_task]
    with ThreadPoolExecutor(12) as threads:
        tasks = threads.submit(asyncio.run, ask_all(by_tasks))
        found = list(threads.map(coalesced.load_many, by_threads))
        assert found == [source.load_many(keys) for keys in by_threads]
        assert tasks.result() == [source.load_many(keys) for keys in by_tasks]
    assert leak_nothing(coalesced)


def test_a_forked_child_waits_for_no_batch_of_its_parent() -> None:
    source = Gated()
    coalesced = Coalesced(source, wait=None)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(coalesced.load_many, [1])]
        source.asked.acquire()
        waiting.append(threads.submit(coalesced.load_many, [2]))
        wait_until_forming(coalesced, 1)
        pid = os.fork()
        if pid == 0:
            ok = False
            try:
                source.go.set()
                ok = coalesced.load_many([3]) == {3: -3}
            finally:
                os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        source.go.set()
        assert [each.result() for each in waiting] == [{1: -1}, {2: -2}]


def test_writes_go_through() -> None:
    there: dict[str, int] = {}
    loader: Loader[str, int] = Loader(
        there.__getitem__, store=there.__setitem__, remove=there.__delitem__
    )
    coalesced = Coalesced(loader)
    assert coalesced.writable
    coalesced.store_many({"a": 1})
    asyncio.run(coalesced.astore_many({"b": 2}))
    assert coalesced.load_many(["a", "b"]) == {"a": 1, "b": 2}
    coalesced.remove_many(["a"])
    asyncio.run(coalesced.aremove_many(["b"]))
    assert there == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wait": -1}, "wait must be seconds, zero or more, not -1"),
        ({"most": 0}, "most must be a positive integer, not 0"),
    ],
)
def test_mistakes_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Coalesced(Gated(), **options)
    with pytest.raises(ConfigurationError, match="source must be a Source"):
        Coalesced(print)  # type: ignore[arg-type]
