"""Makes one batch of look-ups that come at the same time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from augury.errors import ConfigurationError
from augury.forks import renew_in_child
from augury.sources.contract import Source, checked
from augury.sources.threads import retrieve

K = TypeVar("K")
V = TypeVar("V")


class Coalesced(Source[K, V]):
    """Makes batches of the look-ups that threads, and tasks of any event loop, make at once.

    A look-up goes at once if none is under way. Those that come while one is under way form a
    batch, which goes when that one ends, when the batch is full, or when it has waited for long
    enough. A value is never older than the call that asked for it: no look-up joins a batch that is
    on its way. An error of a batch is raised by all who take part in it.

    Parameters
    ----------
    source
        The source that is asked; best a `Resilient` one, so that a batch ends in time.
    wait
        How long a look-up waits for others at most, in seconds, by default 0.001; None for as long
        as another one is under way, so that there is only one batch at a time.
    most
        How many keys a batch has at most. By default 100. Look-ups of more go on their own.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> import threading
    >>> from augury.sources import Loader
    >>> source = Coalesced(Loader(lambda keys: {key: -key for key in keys}, batch=True))
    >>> source.load_many([7])
    {7: -7}
    """

    def __init__(self, source: Source[K, V], wait: float | None = 0.001, most: int = 100) -> None:
        if not isinstance(source, Source):
            raise ConfigurationError(f"source must be a Source, not {source!r}")
        if wait is not None and not (isinstance(wait, int | float) and wait >= 0):
            raise ConfigurationError(f"wait must be seconds, zero or more, not {wait!r}")
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ConfigurationError(f"most must be a positive integer, not {most!r}")
        self.writable = source.writable
        self.asynchronous = source.asynchronous
        self._source = source
        self._wait = wait
        self._most = most
        self.begin_anew()
        renew_in_child(self)

    def __repr__(self) -> str:
        return f"Coalesced({self._source!r})"

    def load_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there, asked for along with those of others."""
        wanted = dict.fromkeys(keys)
        if not wanted:
            return {}
        if len(wanted) > self._most:
            return self._source.load_many(keys)
        while True:
            batch, leads = self._join(wanted)
            if leads:
                self._lead(batch)
            try:
                return batch.share(batch.outcome.result(), wanted)
            except concurrent.futures.CancelledError:
                if not batch.outcome.cancelled():
                    raise  # the source's own
                # Who led it was interrupted, which is not this caller's business: ask anew.

    async def aload_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there, asked for along with those of others."""
        wanted = dict.fromkeys(keys)
        if not wanted:
            return {}
        if len(wanted) > self._most:
            return await self._source.aload_many(keys)
        while True:
            batch, leads = self._join(wanted)
            if leads:
                # A task of its own, as this one may be cancelled while others need the batch.
                task = asyncio.ensure_future(self._alead(batch))
                self._leaders.add(task)
                task.add_done_callback(lambda task, batch=batch: self._led(task, batch))  # type: ignore[misc]
            outcome = asyncio.wrap_future(batch.outcome)
            outcome.add_done_callback(retrieve)
            try:
                found = await asyncio.shield(outcome)
            except asyncio.CancelledError:
                me = asyncio.current_task()
                if not batch.outcome.cancelled() or (me is not None and me.cancelling()):
                    raise  # this task was cancelled, not only the one that led
            else:
                return batch.share(found, wanted)

    def store_many(self, items: Mapping[K, V]) -> None:
        """Write values, new ones or in place of old ones."""
        self._source.store_many(items)

    async def astore_many(self, items: Mapping[K, V]) -> None:
        """Write values, new ones or in place of old ones."""
        await self._source.astore_many(items)

    def remove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; those that are not there do not matter."""
        self._source.remove_many(keys)

    async def aremove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; those that are not there do not matter."""
        await self._source.aremove_many(keys)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()

    def begin_anew(self) -> None:
        """In a forked child, where no batch of the parent ever ends."""
        self._lock = threading.Lock()
        self._forming: _Batch[K, V] | None = None
        self._under_way = 0
        self._leaders: set[asyncio.Task[None]] = set()  # event loops hold tasks weakly

    def _join(self, wanted: dict[K, None]) -> tuple[_Batch[K, V], bool]:
        """Return the batch that will have the keys, and whether the caller has to lead it."""
        with self._lock:
            batch = self._forming
            if batch is not None and len(batch.keys) + len(wanted) > self._most:
                self._release(batch)
                batch = None
            leads = batch is None
            if batch is None:
                batch = self._forming = _Batch(wanted.copy())
            else:
                batch.keys |= wanted
            if not self._under_way or len(batch.keys) == self._most:
                self._release(batch)
            return batch, leads

    def _release(self, batch: _Batch[K, V]) -> None:
        """Let a batch go, unless it has gone. The lock is held."""
        if self._forming is batch:
            self._forming = None
            self._under_way += 1
            batch.gate.set_result(None)

    def _lead(self, batch: _Batch[K, V]) -> None:
        try:
            if not batch.gate.done():
                concurrent.futures.wait([batch.gate], self._wait)
                with self._lock:
                    self._release(batch)
            found = checked(self._source, self._source.load_many(list(batch.keys)))
        except BaseException as error:
            self._end(batch, None, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._end(batch, found, None)

    async def _alead(self, batch: _Batch[K, V]) -> None:
        try:
            if not batch.gate.done():
                gate = asyncio.wrap_future(batch.gate)
                await asyncio.wait([gate], timeout=self._wait)
                with self._lock:
                    self._release(batch)
            found = checked(self._source, await self._source.aload_many(list(batch.keys)))
        except BaseException as error:
            self._end(batch, None, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._end(batch, found, None)

    def _led(self, task: asyncio.Task[None], batch: _Batch[K, V]) -> None:
        self._leaders.discard(task)
        if not batch.outcome.done():  # it was cancelled before it began
            self._end(batch, None, asyncio.CancelledError())

    def _end(
        self, batch: _Batch[K, V], found: Mapping[K, V] | None, error: BaseException | None
    ) -> None:
        """Hand out what has come of a batch, and let the next one go.

        An error that is no `Exception` concerns the leader alone: the others ask anew.
        """
        with self._lock:
            self._release(batch)
            self._under_way -= 1
            if self._forming is not None:
                self._release(self._forming)
        if isinstance(error, StopIteration):  # no future of asyncio takes one
            stopped, error = error, RuntimeError(f"{self._source!r} raised StopIteration")
            error.__cause__ = stopped
        if found is not None:
            batch.outcome.set_result(found)
        elif isinstance(error, Exception):
            batch.outcome.set_exception(error)
        else:
            batch.outcome.cancel()
            batch.outcome.set_running_or_notify_cancel()


class _Batch(Generic[K, V]):
    """Keys that are asked for together."""

    __slots__ = ("gate", "keys", "outcome")

    def __init__(self, keys: dict[K, None]) -> None:
        self.keys = keys
        self.gate: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.outcome: concurrent.futures.Future[Mapping[K, V]] = concurrent.futures.Future()

    @staticmethod
    def share(found: Mapping[K, V], wanted: dict[K, None]) -> dict[K, V]:
        """Return what one caller has asked for."""
        return {key: found[key] for key in wanted if key in found}
