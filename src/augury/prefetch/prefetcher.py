"""Fetches ahead for a running cache."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import index
from typing import Any, Generic, TypeVar

from augury.cache import Cache
from augury.closing import Closing
from augury.errors import ConfigurationError
from augury.forks import renew_in_child
from augury.loading import DEFAULT, Default, Ttl, check_ttl
from augury.parameters import check_function, check_integer
from augury.prefetch.budget import Budget, Patience
from augury.prefetch.counts import Counts, Loads
from augury.prefetch.options import PrefetchOptions
from augury.prefetch.predictors import predictors
from augury.prefetch.report import PredictorReport, PrefetchReport
from augury.prefetch.thread import JOIN_SECONDS, start_thread
from augury.sources import Loader, Source

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = logging.getLogger("augury.prefetch")

_QUEUE = 4  # batches that wait, at most
_MOST_BATCH = 1 << 20
_MOST_ENTRIES = 1 << 18  # assumed of a cache whose capacity may be in bytes
_MICROSECOND = 1e-6
_MOST_BYTES = 1 << 63  # of one value


class Prefetcher(Closing, Generic[K, V]):
    """Learns what is asked for after what, and fetches it before it is asked for.

    Every read of the cache is a request: `get`, ``cache[key]``, `get_or_load`, a call of a function
    decorated with `augury.cached`. What is probably asked for next, and not there, is fetched by a
    thread in the background, many keys at once, and waits in a part of the cache of its own: see
    `augury.events.Stats` for what came of it. Nothing waits for a fetch: who asks for a key that
    is being fetched loads it as always. A value is dropped if its key was written, deleted or
    cleared after it was wanted, so nothing that is out of date is ever stored.

    A prefetcher works as long as its cache lives, whether it is referred to or not, or until it is
    closed. `augury.session` tells it who asks.

    Parameters
    ----------
    cache
        An `augury.Cache`, which has no other prefetcher. A memory tier of an `augury.Tiers` has
        another way to load and is not served.
    source
        An `augury.sources.Source`, or a function, or coroutine function, that takes a sequence of
        keys and returns a mapping that leaves out what is not there. It gets keys as they were read
        (of `augury.cached` those that `cache_key` makes) and integers, also such that were never
        read where their neighbours were.
    options
        What to predict, and how much room it may take; see `augury.prefetch.PrefetchOptions`.
    batch
        How many keys are fetched at once, at most; up to 1,048,576. Four times as many wait; then
        the oldest are dropped.
    ttl
        Time to live of what is fetched: seconds, a timedelta, or None for no expiry. By default
        the cache's.
    requests_per_second
        Keys that the source is asked for, at most; by default no limit.
    bytes_per_second
        Of the values that it answers with, at most; by default no limit.
    sizeof
        ``sizeof(value)`` returns a value's bytes, for `bytes_per_second` and the report. By default
        the length of bytes, and `sys.getsizeof` of anything else.
    patience
        A fetch that takes longer than so many times the usual shows that the source is slow: like
        one that fails, it ends prefetching for half a second, and twice as long each further time,
        up to a minute. What waits then is dropped.
    background
        Whether to start a thread. Without, call `run_pending`.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or the cache has a prefetcher already.

    Notes
    -----
    The keys that the predictors know are kept alive until they are forgotten, by `clear()` at the
    latest. A forked child goes on with what was learned, in a thread of its own.

    Sources, listeners and weighers are called in the thread. At the end of the process it is waited
    for, up to 5 seconds, unless it waits for the source.

    Examples
    --------
    >>> from augury import Cache
    >>> cache = Cache(20, policy="lru")
    >>> def load(pages):
    ...     return {page: f"text of {page}" for page in pages}
    >>> pages = [f"news {number * 7 % 40}" for number in range(40)]
    >>> with Prefetcher(cache, load, background=False) as prefetcher:
    ...     for page in pages * 50:
    ...         text = cache.get_or_load(page, lambda page: load([page])[page])
    ...         fetched = prefetcher.run_pending()
    >>> cache.stats().hits > 0    # without it: 0; on an idle machine 3 of 4 requests are hits
    True
    """

    def __init__(
        self,
        cache: Cache[K, V],
        source: Source[K, V] | Callable[[Sequence[K]], Any],
        *,
        options: PrefetchOptions | None = None,
        batch: int = 64,
        ttl: Ttl | Default = DEFAULT,
        requests_per_second: float | None = None,
        bytes_per_second: float | None = None,
        sizeof: Callable[[V], int] | None = None,
        patience: float = 4.0,
        background: bool = True,
    ) -> None:
        if not isinstance(cache, Cache):
            raise ConfigurationError(
                f"a prefetcher serves an augury.Cache, not a {type(cache).__name__}; in front of "
                "Tiers, give it a cache whose source asks them"
            )
        options = PrefetchOptions() if options is None else options
        if not isinstance(options, PrefetchOptions):
            raise ConfigurationError(f"options must be PrefetchOptions, not {options!r}")
        check_integer("batch", batch)
        if batch > _MOST_BATCH:
            raise ConfigurationError(f"batch must be at most {_MOST_BATCH:,}, not {batch}")
        check_ttl("ttl", ttl)
        if sizeof is not None:
            check_function("sizeof", sizeof)
        self._budget = Budget(requests_per_second, bytes_per_second)
        self._patience = Patience(patience)
        self._owns_source = not isinstance(source, Source)
        self._source: Source[K, V] = source if isinstance(source, Source) else _loader(source)
        self._cache = weakref.ref(cache)
        self._batch = batch
        self._ttl: dict[str, Any] = {} if ttl is DEFAULT else {"ttl": ttl}
        self._sizeof = sizeof or _size_of
        self._background = background
        self._paused = False
        self._closed = False
        self._asks = False  # its thread waits for the source
        self._bytes = 0
        self._loads = Loads(cache)
        self._thread: threading.Thread | None = None
        self._begin()
        if not cache._prefetch_begin(
            options.keys_for(_entries_of(cache)),
            options.mask,
            options.most,
            options.share,
            options.precision,
            _QUEUE * batch,
            self._gate.release,
        ):
            raise ConfigurationError("this cache has a prefetcher already; close that first")
        self._counts = self._before = Counts(*cache._prefetch_counts())
        cache._prefetcher = self
        renew_in_child(self)
        self._start()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "paused" if self._paused else "open"
        return f"<Prefetcher from {self._source!r}: {state}>"

    # Life

    def _begin(self) -> None:
        # Of the budget, and of what is known of the source. Whoever has it may be interrupted by
        # code that closes this: of a signal, or of what the garbage collector finds.
        self._lock = threading.RLock()
        self._gate = threading.Lock()  # the thread waits at it; the cache opens it
        self._gate.acquire()

    def _start(self) -> None:
        self._thread = start_thread(self, self._gate) if self._background else None

    def begin_anew(self) -> None:
        """Go on in a thread of its own: this is a forked child, where the parent's does not run."""
        self._begin()
        self._thread = None
        self._asks = False
        cache = self._cache()
        if cache is not None and not self._closed:
            cache._prefetch_renew(self._gate.release)
            self._start()

    @property
    def closed(self) -> bool:
        """Whether it has ended, by `close` or with its cache."""
        return self._closed or self._cache() is None

    def close(self) -> None:
        """End, and wait for the thread, but no longer than 5 seconds. May be repeated.

        What was fetched already may still be used; what arrives later is dropped.
        """
        if not self._end():
            return
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_SECONDS)
        if self._owns_source:
            self._source.close()

    def _end(self) -> bool:
        """Fetch and store nothing more; return whether that is new."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
        cache = self._cache()
        if cache is not None:
            self._look(cache)
            cache._prefetch_end()
            cache._prefetcher = None
        return True

    @property
    def paused(self) -> bool:
        """Whether nothing is fetched for now; set it to pause, or to go on.

        Pausing drops what waits. The predictors go on learning.
        """
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        cache = self._cache()
        self._paused = bool(paused)
        if cache is not None and not self._closed:
            cache._prefetch_pause(self._paused)

    # Fetching

    def run_pending(self) -> int:
        """Fetch one batch of what waits, in this thread.

        Returns
        -------
        int
            How many keys the source was asked for; 0 if none waits, or none may be fetched now.
        """
        cache = self._cache()
        if cache is None or self._closed or self._paused or self._rest() > 0.0:
            return 0
        return self._fetch(cache)

    def _turn(self) -> float | None:
        """Fetch what may be fetched; return the seconds to wait, or None at the end."""
        cache = self._cache()
        if cache is None or self._closed:
            return None
        self._gate.acquire(blocking=False)
        rest = self._rest()
        wants = rest == 0.0 and not self._paused
        if cache._prefetch_wait(wants):
            return rest if rest > 0.0 and not self._paused else threading.TIMEOUT_MAX
        if wants:
            # It is known by now, and nothing that a source raises ends the thread: a cancelled
            # task is no Exception, nor is `sys.exit`.
            with contextlib.suppress(BaseException):
                self._fetch(cache)
        return 0.0

    def _rest(self) -> float:
        with self._lock:
            return max(self._budget.wait(), self._patience.rest())

    def _fetch(self, cache: Cache[K, V]) -> int:
        with self._lock:
            batch, keys = cache._prefetch_take(self._budget.grant(self._batch))
            self._budget.spend(keys=len(keys))
        if not keys:
            return 0
        answered = False
        started = time.monotonic()
        try:
            self._asks = True
            try:
                found = self._source.load_many(keys)
            finally:
                self._asks = False
            spent = time.monotonic() - started
            if not isinstance(found, Mapping):
                raise ConfigurationError(
                    f"{self._source!r} must return a dict of the values that are there, not "
                    f"{type(found).__name__}"
                )
            answered = True
            self._store(cache, batch, found)
        except BaseException as error:
            self._back_off(cache, "%s: %s", type(error).__name__, error, failed=True)
            if not isinstance(error, Exception):
                raise
        else:
            with self._lock:
                load_seconds = self._loads.usual(cache)
                in_time = self._patience.answered(spent, len(keys), load_seconds)
            if not in_time:
                self._back_off(cache, "%d keys took %.3g s", len(keys), spent, failed=False)
        finally:
            cache._prefetch_finish(batch, answered)
        return len(keys)

    def _store(self, cache: Cache[K, V], batch: int, found: Mapping[K, V]) -> None:
        size = 0
        for key, value in found.items():
            if self._closed:
                return
            size += self._bytes_of(value)
            try:
                # Only keys of the batch, which no one has written since, are stored.
                cache._prefetch_store(batch, key, value, **self._ttl)
            except Exception:  # of the key, or of the weigher
                _log.debug("a key could not be stored", exc_info=True)
        with self._lock:
            self._bytes += size
            self._budget.spend(size=size)

    def _bytes_of(self, value: V) -> int:
        size = index(self._sizeof(value))
        if not 0 <= size < _MOST_BYTES:
            raise ConfigurationError(f"sizeof must return bytes from 0 to 2**63 - 1, not {size}")
        return size

    def _back_off(self, cache: Cache[K, V], why: str, *parts: object, failed: bool) -> None:
        with self._lock:
            if failed:
                self._patience.failed()
            rest = self._patience.rest()
        _log.info(f"nothing is fetched ahead for %.3g s: {why}", rest, *parts)
        if not self._closed and not self._paused:
            cache._prefetch_pause(True)  # drops what waits
            cache._prefetch_pause(False)

    # What came of it

    def _look(self, cache: Cache[K, V]) -> None:
        counts = cache._prefetch_counts()
        if counts:
            self._counts = Counts(*counts)

    def report(self) -> PrefetchReport:
        """Return what was fetched so far, and what came of it."""
        cache = self._cache()
        if cache is not None and not self._closed:
            self._look(cache)
        now, before = self._counts, self._before
        return PrefetchReport(
            requests=now.requests,
            misses=now.misses,
            fetched=now.fetched,
            used=now.used - before.used,
            unused=now.unused - before.unused,
            late=now.late,
            fetched_bytes=self._bytes,
            waited=tuple(now.waited),
            unit=_MICROSECOND,
            by_predictor=tuple(
                PredictorReport(predictor.name, fetched, used)
                for predictor, fetched, used in zip(
                    predictors(), now.fetched_by, now.used_by, strict=True
                )
            ),
        )


def _loader(function: Any) -> Source[Any, Any]:
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(
            f"a source must be a Source, or a function of a sequence of keys, not {function!r}"
        )
    return Loader(function, batch=True)


def _entries_of(cache: Cache[Any, Any]) -> int:
    """Return about how many entries fit; whether capacity counts them is not known."""
    if not len(cache):
        return min(cache.capacity, _MOST_ENTRIES)
    if cache.weight == len(cache):
        return cache.capacity
    return max(1, cache.capacity * len(cache) // cache.weight)


def _size_of(value: object) -> int:
    return len(value) if isinstance(value, bytes | bytearray) else sys.getsizeof(value)
