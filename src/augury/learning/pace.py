"""How much of a processor background work may take."""

from __future__ import annotations

import time
from collections.abc import Callable

from augury.learning.background import Stopped

_SLICE = 0.5  # seconds after which a sleeper sees that nobody wants the work any more


class Pace:
    """Sleeps between steps, so that their processor time stays below a share of one core.

    Parameters
    ----------
    share
        Of one core, above 0 and up to 1. A single step may take more for its own duration.
    unwanted
        Whether nobody wants the work any more.
    """

    def __init__(self, share: float, unwanted: Callable[[], bool]) -> None:
        self._rest = 1.0 / share - 1.0
        self._unwanted = unwanted
        self._began = self._paid = time.thread_time()

    @property
    def spent(self) -> float:
        """Processor time since it was made, in seconds."""
        return time.thread_time() - self._began

    def __call__(self) -> None:
        """Sleep for the time since the last call; raise `Stopped` if nobody wants it any more."""
        now = time.thread_time()
        wake = time.monotonic() + (now - self._paid) * self._rest
        self._paid = now
        while not self._unwanted():
            left = wake - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE))
        raise Stopped
