"""Gives what fails a rest: after some failures in a row it is not asked for a while."""

from __future__ import annotations

import enum
import math
import reprlib
import sys
import threading
import time
from collections.abc import Callable

from augury.errors import ConfigurationError
from augury.forks import renew_in_child
from augury.parameters import check_function

_LONGEST = sys.float_info.max


class BreakerState(enum.StrEnum):
    """Whether a `Breaker` lets calls through."""

    CLOSED = "closed"
    """All goes well: every call is let through."""
    OPEN = "open"
    """It has failed too often: no call is let through."""
    HALF_OPEN = "half-open"
    """It has had its rest: one call at a time is let through, to see how it goes."""


class Breaker:
    """A circuit breaker (Nygard, *Release It!*, 2007): who is down is left alone for a while.

    Ask `allows` before each call, and tell `succeeded` or `failed` after it. May be used from any
    thread. A forked child goes on with what its parent knew.

    Parameters
    ----------
    failures
        How many in a row open it. By default 5.
    rest
        How long it stays open before a trial is let through, in seconds. By default 5.
    clock
        Returns the time in seconds. By default `time.monotonic`.

    Raises
    ------
    ConfigurationError
        If `failures` is no positive integer, or `rest` is negative.

    Examples
    --------
    >>> now = 0.0
    >>> breaker = Breaker(failures=2, rest=5.0, clock=lambda: now)
    >>> breaker.failed(), breaker.failed(), breaker.allows()
    (None, None, False)
    >>> now = 5.0
    >>> breaker.allows(), breaker.allows()  # one trial at a time
    (True, False)
    >>> breaker.succeeded()
    >>> str(breaker.state)
    'closed'
    """

    __slots__ = ("__weakref__", "_clock", "_failures", "_lock", "_most", "_next", "_open", "rest")

    def __init__(
        self,
        failures: int = 5,
        rest: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(failures, bool) or not isinstance(failures, int) or failures < 1:
            raise ConfigurationError(f"failures must be a positive integer, not {failures!r}")
        if not isinstance(rest, int | float) or not (0 <= rest <= _LONGEST or rest == math.inf):
            raise ConfigurationError(
                f"rest must be seconds, zero or more, not {reprlib.repr(rest)}"
            )
        check_function("clock", clock)
        self.rest = float(rest)
        self._most = failures
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open = False
        self._next = 0.0  # when the next trial may begin, while it is open
        renew_in_child(self)

    @property
    def state(self) -> BreakerState:
        """Whether calls are let through now."""
        with self._lock:
            if not self._open:
                return BreakerState.CLOSED
            resting = self._failures >= self._most and self._clock() < self._next
            return BreakerState.OPEN if resting else BreakerState.HALF_OPEN

    def allows(self) -> bool:
        """Return whether a call may be made now.

        While it is half-open, the call is a trial: no other is allowed until its outcome is told,
        or, should it never be, until another rest has passed.
        """
        if not self._open:  # without the lock, for this is what nearly always happens
            return True
        return self._allows_trial()

    def _allows_trial(self) -> bool:
        with self._lock:
            if not self._open:
                return True
            now = self._clock()
            if now < self._next:
                return False
            self._failures = self._most - 1  # a trial is out: one more failure, and it rests again
            self._next = now + self.rest
            return True

    def succeeded(self) -> None:
        """Tell that a call has been answered.

        While it rests, that is of a call begun before, and changes nothing.
        """
        if not self._failures and not self._open:
            return
        with self._lock:
            if not self._open or self._failures < self._most:
                self._failures = 0
                self._open = False

    def failed(self) -> None:
        """Tell that a call has failed in a way that says that others would, too."""
        with self._lock:
            if self._open and self._failures >= self._most:
                return  # a call begun before; the rest goes on
            self._failures += 1
            if self._failures >= self._most:
                self._open = True
                self._next = self._clock() + self.rest

    def begin_anew(self) -> None:
        """In a forked child: the holder of the lock, or of the trial, may be in the parent."""
        self._lock = threading.Lock()
        if self._open and self._failures < self._most:
            self._failures = self._most
            self._next = self._clock()
