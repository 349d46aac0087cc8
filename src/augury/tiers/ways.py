"""Two ways to wait: a thread blocks, a coroutine awaits. Everything else is written once.

What `Tiers` does is written as coroutines that do all their waiting through a `Way`. With
`BLOCKING` they never suspend, so that `run` can run them to their end as a plain call.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from augury.forks import renew_in_child
from augury.sources.threads import begin_in_thread, retrieve

T = TypeVar("T")

_MOST_RUNNING = 8


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

        _background.submit(work)


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


class _Background:
    """Does what nobody waits for, some at once, in threads that no exit has to wait for either."""

    def __init__(self) -> None:
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """Begin without the threads, and what they were at."""
        self._lock = threading.RLock()
        self._waiting: deque[Callable[[], object]] = deque()
        self._running = 0

    def submit(self, work: Callable[[], object]) -> None:
        """Have something done soon."""
        with self._lock:
            self._waiting.append(work)
            if self._running == _MOST_RUNNING:
                return
            self._running += 1
        try:
            begin_in_thread(self._run)
        except RuntimeError:  # no thread is to be had: the next one does it, if there is one
            with self._lock:
                self._running -= 1

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                work = self._waiting.popleft()
            with suppress(BaseException):  # a loader may raise SystemExit
                work()
            del work


_background = _Background()
