"""Keeps a source that is slow, flaky or down from making its callers so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from augury.breaker import Breaker, BreakerState
from augury.errors import ConfigurationError, MissingExtraError, SourceError
from augury.forks import renew_in_child
from augury.sources.contract import Source
from augury.sources.threads import begin_in_thread, retrieve
from augury.sources.transient import may_pass

if TYPE_CHECKING:
    from tenacity import RetryCallState

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_FIRST_PAUSE = 0.05  # seconds: at most so long before the second try, twice that before the third …
_LONGEST_PAUSE = 2.0


class Resilient(Source[K, V]):
    """A source whose calls end in time, are tried again, and stop for a while if all fail.

    Parameters
    ----------
    source
        The source that is asked.
    timeout
        The time budget of a call in seconds: all tries and the pauses between them. By default 5;
        None for no limit. A blocking call that runs out of it cannot be killed: it is left behind
        in its thread. A coroutine is cancelled, and not waited for either.
    attempts
        How many times a call is tried at most. By default 3. Between tries it pauses for a random
        time that grows (at most 0.05 s, 0.1 s, 0.2 s …, never over 2 s), or for as long as a
        ``Retry-After`` asks; never past the budget. Writes are tried again, too: to write the same
        again does not matter.
    breaker
        Gives the source a rest after failures in a row. By default none.
    retry
        Exception types to try again, or a function that tells whether to. By default those that may
        pass, see `augury.sources.may_pass`. The same errors, and running out of time, are what
        the breaker counts.
    left_behind
        How many calls may be left behind at once, by default 8. While there are so many, further
        calls fail at once.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    MissingExtraError
        If calls are to be tried again, and tenacity is not installed.

    Examples
    --------
    >>> from augury.sources import Loader
    >>> answers = iter([ConnectionResetError(), "Ada"])
    >>> def load(key):
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return answer
    >>> Resilient(Loader(load), timeout=10).load_many([1])
    {1: 'Ada'}
    """

    def __init__(
        self,
        source: Source[K, V],
        *,
        timeout: float | None = 5.0,
        attempts: int = 3,
        breaker: Breaker | None = None,
        retry: type[Exception]
        | tuple[type[Exception], ...]
        | Callable[[Exception], bool]
        | None = None,
        left_behind: int = 8,
    ) -> None:
        if not isinstance(source, Source):
            raise ConfigurationError(f"source must be a Source, not {source!r}")
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise ConfigurationError(f"timeout must be seconds, more than zero, not {timeout!r}")
        for name, number in (("attempts", attempts), ("left_behind", left_behind)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ConfigurationError(f"{name} must be a positive integer, not {number!r}")
        if breaker is not None and not isinstance(breaker, Breaker):
            raise ConfigurationError(f"breaker must be a Breaker, not {breaker!r}")
        self.writable = source.writable
        self.asynchronous = True  # it need not be run in a thread, as it counts its own
        self._source = source
        self._timeout = timeout
        self._attempts = attempts
        self._breaker = breaker
        self._passes = _predicate(retry)
        self._most = left_behind
        self.begin_anew()
        renew_in_child(self)
        if attempts > 1:
            try:
                import tenacity  # noqa: F401
            except ModuleNotFoundError:
                raise MissingExtraError("tenacity", "retry") from None

    def __repr__(self) -> str:
        return f"Resilient({self._source!r})"

    def load_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there.

        Raises
        ------
        SourceError
            If it did not answer in time, or is given a rest.
        Exception
            What the source raised at the last try.
        """
        return self._call(self._source.load_many, keys)

    async def aload_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there; raises what `load_many` does."""
        return await self._acall(self._source.load_many, self._source.aload_many, keys)

    def store_many(self, items: Mapping[K, V]) -> None:
        """Write values, new ones or in place of old ones; raises what `load_many` does."""
        self._call(self._source.store_many, items)

    async def astore_many(self, items: Mapping[K, V]) -> None:
        """Write values, new ones or in place of old ones; raises what `load_many` does."""
        await self._acall(self._source.store_many, self._source.astore_many, items)

    def remove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; raises what `load_many` does."""
        self._call(self._source.remove_many, keys)

    async def aremove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; raises what `load_many` does."""
        await self._acall(self._source.remove_many, self._source.aremove_many, keys)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()

    def begin_anew(self) -> None:
        """In a forked child, which has none of the threads left behind."""
        self._lock = threading.Lock()
        self._left: set[Future[Any] | asyncio.Future[Any]] = set()

    def _call(self, method: Callable[[Any], T], given: object) -> T:
        budget = _Budget(self._timeout)

        def attempt() -> T:
            with _Outcome(self, budget):
                if self._timeout is None:
                    return method(given)
                future = begin_in_thread(method, given)
                try:
                    wait([future], budget.left())
                finally:
                    self._leave_behind(future)
                return future.result() if future.done() else self._out_of_time()

        if self._attempts == 1:
            return attempt()
        from tenacity import Retrying

        return Retrying(**self._strategy(budget))(attempt)

    async def _acall(
        self, method: Callable[[Any], T], amethod: Callable[[Any], Awaitable[T]], given: object
    ) -> T:
        budget = _Budget(self._timeout)

        async def attempt() -> T:
            with _Outcome(self, budget):
                under_way: Future[T] | asyncio.Future[T]
                waited: asyncio.Future[T]
                if self._source.asynchronous:
                    under_way = waited = asyncio.ensure_future(amethod(given))
                else:
                    under_way = begin_in_thread(method, given)
                    waited = asyncio.wrap_future(under_way)
                try:
                    done, _ = await asyncio.wait([waited], timeout=budget.left())
                finally:
                    waited.add_done_callback(retrieve)
                    if not waited.done():
                        waited.cancel()  # a driver may take its time: psycopg asks the server first
                    self._leave_behind(under_way)
                return waited.result() if done else self._out_of_time()

        if self._attempts == 1:
            return await attempt()
        from tenacity import AsyncRetrying

        return await AsyncRetrying(**self._strategy(budget))(attempt)

    def _strategy(self, budget: _Budget) -> dict[str, Any]:
        from tenacity import (
            retry_if_exception,
            stop_after_attempt,
            stop_before_delay,
            wait_random_exponential,
        )

        pause = wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE)

        def paused(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(pause(state), getattr(error, "retry_after", None) or 0.0)

        stop: Any = stop_after_attempt(self._attempts)
        if budget.seconds is not None:
            stop |= stop_before_delay(budget.seconds)
        return {
            "stop": stop,
            "wait": paused,
            "retry": retry_if_exception(self._worth_another_try),
            "reraise": True,
        }

    def _worth_another_try(self, error: BaseException) -> bool:
        resting = self._breaker is not None and self._breaker.state is BreakerState.OPEN
        return isinstance(error, Exception) and self._passes(error) and not resting

    def _leave_behind(self, under_way: Future[Any] | asyncio.Future[Any]) -> None:
        """Count a call that has not ended, until it has."""
        if under_way.done():
            return
        with self._lock:
            self._left.add(under_way)
        under_way.add_done_callback(self._ended)

    def _ended(self, left: Future[Any] | asyncio.Future[Any]) -> None:
        with self._lock:
            self._left.discard(left)

    def _out_of_time(self) -> NoReturn:
        raise _OutOfTimeError(f"{self._source!r} did not answer within {self._timeout:g} s")

    def _check(self) -> None:
        """Raise an error if there must not be another call now."""
        if len(self._left) >= self._most:
            raise SourceError(
                f"{self._source!r} hangs: {self._most} calls that ran out of time have not ended"
            )
        if self._breaker is not None and not self._breaker.allows():
            raise SourceError(
                f"{self._source!r} has failed too often, and rests for up to "
                f"{self._breaker.rest:g} s"
            )


class _OutOfTimeError(SourceError):
    """Tells the end of a budget from what a source raised."""


class _Budget:
    """The time that a call may still take."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._begun = time.monotonic()

    def left(self) -> float | None:
        if self.seconds is None:
            return None
        return max(0.0, self._begun + self.seconds - time.monotonic())


class _Outcome:
    """Around one try: whether it may be made, and telling the breaker how it went."""

    def __init__(self, resilient: Resilient[Any, Any], budget: _Budget) -> None:
        self._resilient = resilient
        self._budget = budget

    def __enter__(self) -> None:
        if self._budget.left() == 0.0:
            self._resilient._out_of_time()
        self._resilient._check()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        breaker = self._resilient._breaker
        if breaker is None:
            return
        if error is None:
            breaker.succeeded()
        elif isinstance(error, _OutOfTimeError):
            breaker.failed()
        elif isinstance(error, Exception):
            # An error that says nothing of the next call is an answer, too.
            (breaker.failed if self._resilient._passes(error) else breaker.succeeded)()


def _predicate(
    retry: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool] | None,
) -> Callable[[Exception], bool]:
    if retry is None:
        return may_pass
    if not isinstance(retry, type | tuple):
        if not callable(retry):
            raise ConfigurationError(f"retry must be exception types or a function, not {retry!r}")
        return retry
    kinds = retry if isinstance(retry, tuple) else (retry,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        raise ConfigurationError(f"retry must be exception types or a function, not {retry!r}")
    return lambda error: isinstance(error, kinds)
