"""How many threads BLAS and OpenMP compute with, all over the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from augury.forks import renew_in_child


class _Limit:
    """Keeps them to one thread as long as anyone wants that."""

    def __init__(self) -> None:
        self._limits: Any = None
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child, where nobody computes who had wanted it."""
        self._lock = threading.Lock()
        self._wanted = 0
        self._restore()

    def enter(self) -> None:
        """Want it."""
        try:
            import scipy.linalg  # noqa: F401 - what is loaded later is not limited
            from threadpoolctl import threadpool_limits
        except ModuleNotFoundError:
            return  # without scikit-learn nothing of it is in use
        with self._lock:
            self._wanted += 1
            if self._limits is None:
                self._limits = threadpool_limits(1)

    def leave(self) -> None:
        """Want it no longer."""
        with self._lock:
            self._wanted = max(0, self._wanted - 1)
            if not self._wanted:
                self._restore()

    def _restore(self) -> None:
        limits, self._limits = self._limits, None
        if limits is not None:
            limits.restore_original_limits()


_limit = _Limit()


@contextmanager
def one_native_thread() -> Iterator[None]:
    """Compute with one: where others compute, too, threads wait for one another.

    Of several that want this at once, the last one restores the threads. Four logistic regressions
    that took 15 s on two busy processors take 1.7 s.
    """
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
