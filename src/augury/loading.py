"""Single flight: however many callers miss a key at once, one load serves them all."""

from __future__ import annotations

import asyncio
import concurrent.futures
import enum
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

from augury import _native
from augury.errors import LoadCycleError

K = TypeVar("K")
V = TypeVar("V")

Ttl = float | timedelta | None
"""A time to live: seconds, a timedelta, or None for no expiry."""

NOTHING: Any = object()
"""Stands for a value that is not there."""


def seconds(time: float | timedelta) -> float:
    """Return a time span in seconds."""
    return time.total_seconds() if isinstance(time, timedelta) else float(time)


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

    __slots__ = ("_landed", "error", "owner", "value")

    def __init__(self) -> None:
        self.owner = threading.get_ident()
        self.value: Any = NOTHING
        self.error: BaseException | None = None
        self._landed = threading.Lock()
        self._landed.acquire()

    def land(self) -> None:
        """Let the waiting threads have `value` or `error`."""
        self._landed.release()

    def wait(self, key: object) -> None:
        """Wait until the load has ended.

        Raises
        ------
        LoadCycleError
            If its owner waits, directly or through others, for the calling thread.
        """
        me = threading.get_ident()
        with _waiting_lock:
            ahead: Flight | None = self
            while ahead is not None and ahead._landed.locked():
                if ahead.owner == me:
                    raise LoadCycleError(
                        f"the loader of {key!r} needs its own result, directly or through threads"
                    )
                ahead = _waiting.get(ahead.owner)
            _waiting[me] = self
        try:
            with self._landed:
                pass
        finally:
            with _waiting_lock:
                del _waiting[me]


# Who waits for which flight: thread -> flight.
_waiting: dict[int, Flight] = {}
_waiting_lock = threading.Lock()


def load(
    cache: _native.Cache[K, V],
    key: K,
    loader: Callable[[K], V],
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
        under_way = cache._flights.setdefault(key, flight)
        if under_way is flight:
            break
        if not isinstance(under_way, Flight):
            return loader(key)  # a coroutine loads it, for which a thread must not wait
        under_way.wait(key)
        if under_way.value is not NOTHING:
            return cast("V", under_way.value)
        if isinstance(under_way.error, Exception):
            raise under_way.error
        # The loading thread was interrupted, which is not this thread's business: load here.
    try:
        # Another flight may have landed between the miss and the take-off of this one.
        flight.value = value = NOTHING if refresh else cache.peek(key, NOTHING)
        if value is NOTHING:
            started = time.perf_counter_ns()
            try:
                flight.value = value = loader(key)
            finally:
                cache._count_load(time.perf_counter_ns() - started, flight.value is not NOTHING)
            options.store(cache, key, value, flight)
    except BaseException as error:
        if flight.value is NOTHING:
            flight.error = error
            if not refresh:
                options.store_error(cache, key, error, flight)
        raise
    finally:
        _take_off_board(cache, key, flight)
        flight.land()
    return cast("V", value)


class AsyncFlight(_native.Ticket):
    """A load under way in an event loop; see `Flight`."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()


async def aload(
    cache: _native.Cache[K, V],
    key: K,
    loader: Callable[[K], Awaitable[V]],
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
        under_way = cache._flights.setdefault(key, flight)
        if under_way is flight:
            task = asyncio.ensure_future(_fly(cache, key, loader, options, flight, refresh=refresh))
            return await asyncio.shield(task)
        if not isinstance(under_way, AsyncFlight):
            return await loader(key)  # a thread loads it, for which a coroutine must not wait
        try:
            return cast("V", await asyncio.shield(asyncio.wrap_future(under_way.future)))
        except concurrent.futures.CancelledError:
            if not under_way.future.cancelled():
                raise  # this coroutine was cancelled, not the load


async def _fly(
    cache: _native.Cache[K, V],
    key: K,
    loader: Callable[[K], Awaitable[V]],
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
                value = await loader(key)
            finally:
                cache._count_load(time.perf_counter_ns() - started, value is not NOTHING)
            options.store(cache, key, value, flight)
        flight.future.set_result(value)
    except BaseException as error:
        if value is not NOTHING:
            flight.future.set_result(value)
        elif isinstance(error, Exception):
            if not refresh:
                options.store_error(cache, key, error, flight)
            flight.future.set_exception(error)
        else:
            flight.future.cancel()
        raise
    finally:
        _take_off_board(cache, key, flight)
    return cast("V", value)


def _raise_remembered(cache: _native.Cache[K, V], key: K) -> None:
    failure = cache._failure(key)
    if failure is not None:
        raise failure.error.with_traceback(None)


def _take_off_board(cache: _native.Cache[K, V], key: K, flight: _native.Ticket) -> None:
    """Forget a flight, unless a write of its key has done so already."""
    flights = cache._flights
    if flight.valid and flights.get(key) is flight:
        del flights[key]
