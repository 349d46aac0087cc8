"""Whether answers by similarity are right, measured while they are given."""

from __future__ import annotations

import random
import threading

from augury.inference.semantic.confidence import anytime_bounds

_CONFIDENCE = 0.95


class Audit:
    """Takes a sample of the answers by similarity, and counts how many of them were wrong.

    Once it is shown that more are wrong than was stated, similarity is suspended. A rate that is
    kept is taken for exceeded with a probability of 5%, however long the audit goes on.

    Parameters
    ----------
    share
        Of the answers by similarity, how many are audited.
    rate
        How many may be wrong; None: nothing was stated, and nothing is ever suspended.
    """

    def __init__(self, share: float, rate: float | None) -> None:
        self._share = share
        self._rate = rate
        self._random = random.Random()
        self._lock = threading.Lock()
        self.audited = 0
        self.false_hits = 0
        self.suspended = False

    def takes(self) -> bool:
        """Return whether to audit the next one."""
        return self._share > 0 and self._random.random() < self._share

    def note(self, right: bool) -> None:
        """Take note of what an audit found."""
        with self._lock:
            self.audited += 1
            self.false_hits += not right
            if self._rate is not None and self._bounds()[0] > self._rate:
                self.suspended = True

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what the share of false hits lies."""
        with self._lock:
            return self._bounds()

    def _bounds(self) -> tuple[float, float]:
        return anytime_bounds(self.false_hits, self.audited, _CONFIDENCE)
