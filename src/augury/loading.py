"""Single flight: however many callers miss a key at once, one load serves them all."""

from __future__ import annotations

import asyncio
import concurrent.futures
import enum
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

from augury import _native
from augury.errors import ConfigurationError, LoadCycleError
from augury.spans import span, within

K = TypeVar("K")
V = TypeVar("V")

Ttl = float | timedelta | None
"""A time to live: seconds, a timedelta, or None for no expiry."""

NOTHING: Any = object()
"""Stands for a value that is not there."""


def seconds(time: float | timedelta) -> float:
    """Return a time span in seconds."""
    return time.total_seconds() if isinstance(time, timedelta) else float(time)


def check_ttl(name: str, ttl: object) -> None:
    """Raise a `ConfigurationError` unless this is a time to live, or stands for one."""
    if ttl is None or ttl is DEFAULT:
        return
    try:
        fits = isinstance(ttl, int | float | timedelta) and seconds(ttl) > 0
    except OverflowError:  # of an integer beyond all floats
        fits = False
    if not fits:
        raise ConfigurationError(
            f"{name} must be more than 0 seconds, a timedelta, or None for no expiry, not {ttl!r}"
        )


class Default(enum.Enum):
    """The type of `DEFAULT`, which stands for a time to live that was not given."""

    DEFAULT = "default"


DEFAULT = Default.DEFAULT


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What becomes of a loaded value; the keyword arguments of `Cache.get_or_load`."""

    ttl: Ttl | Default | Callable[[Any], Ttl] = DEFAULT
    """Time to live, or a function of the value that returns it; by default the cache's."""
    stale: float = 0.0
    """Seconds to keep the value beyond its time to live."""
    size: int | None = None
    """Weight of the entry; by default what the cache's weigher says."""
    negative_ttl: Ttl | Default = DEFAULT
    """How long a `KeyError` of the loader is remembered; not at all if not given."""
    error_ttl: Ttl | Default = DEFAULT
    """How long any other exception is remembered; not at all if not given."""
    condition: Callable[[Any], bool] | None = None
    """Only values for which it returns true are stored; all if not given."""

    def store(self, cache: _native.Cache[K, V], key: K, value: V, ticket: _native.Ticket) -> None:
        """Store a loaded value, unless its key was written meanwhile."""
        if self.condition is not None and not self.condition(value):
            return
        options: dict[str, Any] = {}
        if self.ttl is not DEFAULT:
            ttl = self.ttl(value) if callable(self.ttl) else self.ttl
            options["ttl"] = ttl if ttl is None or not self.stale else seconds(ttl) + self.stale
        if self.size is not None:
            options["size"] = self.size
        cache._store_loaded(key, value, ticket, **options)

    def store_error(
        self, cache: _native.Cache[K, V], key: K, error: BaseException, ticket: _native.Ticket
    ) -> None:
        """Remember that loading failed, if that was asked for."""
        kept = self.negative_ttl if isinstance(error, KeyError) else self.error_ttl
        if kept is not DEFAULT and isinstance(error, Exception):
            failure = cast("V", _native.Failure(error))
            cache._store_loaded(key, failure, ticket, ttl=kept)


class Flight(_native.Ticket):
    """A load under way in a thread, and its result for the threads that wait for it.

    Its `valid`, inherited, turns false when the key is written or deleted meanwhile: what is loaded
    then is out of date, is still handed to those who wait, and is not stored.
    """

    __slots__ = ("_gate", "_process", "error", "landed", "owner", "value")

    def __init__(self) -> None:
        self.owner = threading.get_ident()
        self.value: Any = NOTHING
        self.error: BaseException | None = None
        self.landed = False
        self._process = _process
        self._gate = threading.Lock()
        self._gate.acquire()

    @property
    def stranded(self) -> bool:
        """Whether it can never land: its thread stayed behind in the process forked from."""
        return self._process is not _process

    def land(self) -> None:
        """Let the waiting threads have `value` or `error`."""
        self.landed = True
        self._gate.release()

    def wait(self, key: object) -> None:
        """Wait until the load has ended.

        Raises
        ------
        LoadCycleError
            If its owner waits, directly or through others, for the calling thread.
        """
        me = threading.get_ident()
        # A signal handler or a finaliser may come to wait while its thread waits already.
        outer = _waiting.get(me)
        _waiting[me] = self
        try:
            if self._waits_for(me):
                raise LoadCycleError(
                    f"the loader of {key!r} needs its own result, directly or through threads"
                )
            with self._gate:
                pass
        finally:
            if outer is None:
                _waiting.pop(me, None)
            else:
                _waiting[me] = outer

    def _waits_for(self, me: int) -> bool:
        """Tell whether the owner waits, directly or through others, for this thread.

        Without a lock, which code that interrupts the thread here could not take again. So who
        waits says so before it looks: of the threads of a cycle the last to say so sees all.
        """
        while True:
            chain: set[Flight] = set()
            ahead: Flight | None = self
            while ahead is not None and not ahead.landed and ahead.owner != me:
                if ahead in chain:
                    return False  # a cycle of others, who see it themselves
                chain.add(ahead)
                ahead = _waiting.get(ahead.owner)
            if ahead is None or ahead.landed:
                return False
            if not any(flight.landed for flight in chain):
                return True
            # Some landed while this looked, and their owners may have begun to wait only then.


# Who waits for which flight: thread -> flight.
_waiting: dict[int, Flight] = {}
_process = object()  # another one in a forked child


def _begin_anew() -> None:
    """Forget the threads of the process forked from."""
    global _process  # noqa: PLW0603
    _process = object()
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def load(
    cache: _native.Cache[K, V],
    key: K,
    loader: Callable[[], V],
    options: LoadOptions,
    *,
    refresh: bool = False,
) -> V:
    """Load a key that was just missed, or wait for the thread that loads it already.

    With `refresh`, load it though there is a value, and keep that value should loading fail.
    """
    while True:
        if not refresh:
            _raise_remembered(cache, key)
        flight = Flight()
        try:
            under_way = _put_on_board(cache, key, flight)
            if under_way is flight:
                del under_way  # as below
                # Another flight may have landed between the miss and the take-off of this one.
                flight.value = NOTHING if refresh else cache.peek(key, NOTHING)
                if flight.value is NOTHING:
                    started = time.perf_counter_ns()
                    try:
                        flight.value = within("cache.load", loader)()
                    finally:
                        spent = time.perf_counter_ns() - started
                        cache._count_load(spent, flight.value is not NOTHING, key)
                    options.store(cache, key, flight.value, flight)
                return cast("V", flight.value)
        except BaseException as error:
            if flight.value is NOTHING:
                flight.error = error
                if not refresh:
                    options.store_error(cache, key, error, flight)
            raise
        finally:
            try:
                _take_off_board(cache, key, flight)
            finally:
                flight.land()
                # Or an error, its traceback, this frame and the flight would form a cycle.
                del flight
        if not isinstance(under_way, Flight):
            return loader()  # what loads it is nothing for which a thread may wait
        under_way.wait(key)
        if under_way.value is not NOTHING:
            return cast("V", under_way.value)
        if isinstance(under_way.error, Exception):
            try:
                raise under_way.error
            finally:
                del under_way  # another cycle
        # The loading thread was interrupted, which is not this thread's business: load here.


class AsyncFlight(_native.Ticket):
    """A load under way in an event loop; see `Flight`."""

    __slots__ = ("_loop", "_process", "future", "task")

    def __init__(self) -> None:
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.task: asyncio.Task[Any] | None = None  # event loops themselves hold tasks weakly
        self._loop = asyncio.get_running_loop()
        self._process = _process

    @property
    def stranded(self) -> bool:
        """Whether it can never land: its event loop was closed, or is in another process."""
        return self._loop.is_closed() or self._process is not _process

    def land(self, value: Any, error: BaseException | None) -> None:
        """Let those who wait have the value or, if it is `NOTHING`, the error.

        An error that is no `Exception` concerns the loading task alone: the others try themselves.
        """
        if self.future.done():
            return
        if value is not NOTHING:
            self.future.set_result(value)
        elif isinstance(error, Exception):
            self.future.set_exception(error)
        else:
            self.future.cancel()


async def aload(
    cache: _native.Cache[K, V],
    key: K,
    loader: Callable[[], Awaitable[V]],
    options: LoadOptions,
    *,
    refresh: bool = False,
) -> V:
    """Load a key that was just missed, or wait for the coroutine that loads it already.

    With `refresh`, load it though there is a value, and keep that value should loading fail.
    """
    while True:
        if not refresh:
            _raise_remembered(cache, key)
        flight = AsyncFlight()
        under_way = _put_on_board(cache, key, flight)
        if under_way is flight:
            task = asyncio.ensure_future(_fly(cache, key, loader, options, flight, refresh=refresh))
            flight.task = task

            def land(_: object, flight: AsyncFlight = flight) -> None:
                # The task may have been cancelled before it began, and then has landed nothing.
                flight.land(NOTHING, None)
                _take_off_board(cache, key, flight)

            task.add_done_callback(land)
            return await asyncio.shield(task)
        if not isinstance(under_way, AsyncFlight):
            return await loader()  # what loads it is nothing for which a coroutine may wait
        try:
            return cast("V", await asyncio.shield(asyncio.wrap_future(under_way.future)))
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if not under_way.future.cancelled() or (me is not None and me.cancelling()):
                raise  # this coroutine was cancelled, not only the load


async def _fly(
    cache: _native.Cache[K, V],
    key: K,
    loader: Callable[[], Awaitable[V]],
    options: LoadOptions,
    flight: AsyncFlight,
    *,
    refresh: bool,
) -> V:
    value = NOTHING
    try:
        value = NOTHING if refresh else cache.peek(key, NOTHING)
        if value is NOTHING:
            started = time.perf_counter_ns()
            try:
                with span("cache.load"):
                    value = await loader()
            finally:
                cache._count_load(time.perf_counter_ns() - started, value is not NOTHING, key)
            options.store(cache, key, value, flight)
        flight.land(value, None)
    except BaseException as error:
        flight.land(value, error)
        if value is NOTHING and not refresh:
            options.store_error(cache, key, error, flight)
        raise
    finally:
        _take_off_board(cache, key, flight)
    return cast("V", value)


class Background(_native.Ticket):
    """A load under way that nobody waits for: who misses its key loads it as well."""

    __slots__ = ("_process",)

    def __init__(self) -> None:
        self._process = _process

    @property
    def stranded(self) -> bool:
        """Whether it can never land: it is of the process forked from."""
        return self._process is not _process

    def take_off(self, cache: _native.Cache[K, V], key: K) -> bool:
        """Announce the load; return whether there is no other one of the key under way."""
        return _put_on_board(cache, key, self) is self

    def land(self, cache: _native.Cache[K, V], key: K) -> None:
        """End the load."""
        _take_off_board(cache, key, self)


_AnyFlight = Flight | AsyncFlight | Background


def _raise_remembered(cache: _native.Cache[K, V], key: K) -> None:
    failure = cache._failure(key)
    if failure is not None:
        try:
            raise failure.error.with_traceback(None)
        finally:
            del failure  # or the error, its traceback and this frame form a cycle


def _put_on_board(cache: _native.Cache[K, V], key: K, flight: _AnyFlight) -> _AnyFlight:
    """Announce a flight; return it, or the flight that is under way for the key already."""
    while True:
        flights = cache._flights
        under_way: _AnyFlight = flights.setdefault(key, flight)
        if flights is not cache._flights:
            continue  # comparing keys has cleared the cache: no write would look at that board
        if under_way is flight or not under_way.stranded:
            return under_way
        if isinstance(under_way, AsyncFlight):
            under_way.land(NOTHING, None)
        _take_off_board(cache, key, under_way)


def _take_off_board(cache: _native.Cache[K, V], key: K, flight: _AnyFlight) -> None:
    """Forget a flight, unless a write of its key has done so already."""
    flights = cache._flights
    if flights.get(key) is flight:
        other = flights.pop(key, flight)
        if other is not flight:
            # Between these lines a write took the flight off and another one began. No write will
            # find that one on the board any more, so it must not store.
            other.valid = False
