"""An event loop in a thread of its own, for coroutines that are called without one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from augury.errors import ConfigurationError, SourceError
from augury.forks import renew_in_child

T = TypeVar("T")


class BackgroundLoop:
    """Starts with its first use, and ends when closed, collected, or with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: _LoopThread | None = None
        self._end: weakref.finalize[..., BackgroundLoop] | None = None
        renew_in_child(self)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, and return what it returns.

        Raises
        ------
        ConfigurationError
            If called by a coroutine that runs in the loop, which would wait for itself.
        """
        try:
            thread = self._started()
            if thread is threading.current_thread():
                raise ConfigurationError(
                    "a coroutine function of a source asked its own cache and would wait for "
                    "itself; await the coroutine methods there"
                )
            future = asyncio.run_coroutine_threadsafe(coroutine, thread.loop)
        except BaseException:
            coroutine.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise SourceError("the source was closed while it was being asked") from None
        except BaseException:
            future.cancel()  # this thread was interrupted; or it is done, and this does nothing
            raise
        finally:
            del future  # or an error, its traceback, this frame and the future form a cycle

    def close(self) -> None:
        """Cancel what runs, and end the thread. A later `run` starts another one."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and self._end is not None:
            self._end()

    def begin_anew(self) -> None:
        """In a forked child, where the thread does not run: start another when needed."""
        self._lock = threading.Lock()
        if self._thread is not None:
            # Its loop shares its selector with the parent's: it is neither used nor closed.
            _of_parents.append(self._thread)
            self._thread = None
        if self._end is not None:
            self._end.detach()

    def _started(self) -> _LoopThread:
        with self._lock:
            if self._thread is None:
                self._thread = _LoopThread()
                self._thread.start()
                self._thread.ready.wait()
                self._end = weakref.finalize(self, self._thread.end)
            return self._thread


class _LoopThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="augury-source-loop", daemon=True)
        self.ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.ready.set()
        await self._ended.wait()  # `asyncio.run` then cancels what still runs

    def end(self) -> None:
        if self.is_alive() and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._ended.set)
        if self is not threading.current_thread():
            self.join(5.0)  # a coroutine may refuse to be cancelled


_of_parents: list[_LoopThread] = []
