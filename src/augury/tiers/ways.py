"""Two ways to wait: a thread blocks, a coroutine awaits. Everything else is written once.

What `Tiers` does is written as coroutines that do all their waiting through a `Way`. With
`BLOCKING` they never suspend, so that `run` can run them to their end as a plain call.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from augury.sources.threads import retrieve

T = TypeVar("T")


class StillUnderWayError(Exception):
    """What was waited for is not done yet."""


class Way(Protocol):
    """How to wait."""

    def me(self) -> object:
        """Return what tells the running thread or task from all others."""

    async def call(self, owner: Any, method: str, *arguments: Any) -> Any:
        """Call a method of a tier or source, or its twin for coroutines."""

    async def sleep(self, seconds: float) -> None:
        """Wait for some time."""

    async def wait(self, future: Future[T], seconds: float) -> T:
        """Wait for what somebody else works out; StillUnderWayError after so many seconds."""

    def spawn(
        self, task: Callable[[], Coroutine[Any, Any, None]], then: Callable[[], object]
    ) -> None:
        """Have something done in the background, which raises nothing.

        `then` is called after it, even if it was given up before it began.
        """


class Blocking:
    """The way of threads."""

    def me(self) -> object:
        """Return the thread's number."""
        return threading.get_ident()

    async def call(self, owner: Any, method: str, *arguments: Any) -> Any:
        """Call the method."""
        try:
            return getattr(owner, method)(*arguments)
        except StopIteration as error:  # would end the coroutine that calls this
            raise RuntimeError(f"{owner!r} raised StopIteration") from error

    async def sleep(self, seconds: float) -> None:
        """Block."""
        time.sleep(seconds)

    async def wait(self, future: Future[T], seconds: float) -> T:
        """Block until the future is done."""
        if not concurrent.futures.wait([future], seconds).done:
            raise StillUnderWayError
        return future.result()

    def spawn(
        self, task: Callable[[], Coroutine[Any, Any, None]], then: Callable[[], object]
    ) -> None:
        """Do it in another thread."""

        def work() -> None:
            try:
                run(task())
            finally:
                then()

        try:
            _threads().submit(work)
        except RuntimeError:  # the interpreter is about to end
            then()


class Awaiting:
    """The way of coroutines."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()  # event loops hold tasks weakly

    def me(self) -> object:
        """Return the task."""
        return asyncio.current_task()

    async def call(self, owner: Any, method: str, *arguments: Any) -> Any:
        """Await the twin of the method."""
        return await getattr(owner, f"a{method}")(*arguments)

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run."""
        await asyncio.sleep(seconds)

    async def wait(self, future: Future[T], seconds: float) -> T:
        """Await the future, which goes on when this task is cancelled."""
        waited = asyncio.wrap_future(future)
        waited.add_done_callback(retrieve)
        done, _ = await asyncio.wait([waited], timeout=seconds)
        if not done:
            raise StillUnderWayError
        return future.result()

    def spawn(
        self, task: Callable[[], Coroutine[Any, Any, None]], then: Callable[[], object]
    ) -> None:
        """Do it in another task of this event loop."""
        spawned = asyncio.ensure_future(task())
        self._tasks.add(spawned)

        def ended(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            then()

        spawned.add_done_callback(ended)


BLOCKING = Blocking()
AWAITING = Awaiting()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does its waiting the blocking way."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine that has to block awaits something")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="augury-tiers")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a child has none of its threads
