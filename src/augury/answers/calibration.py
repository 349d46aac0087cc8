"""How far estimates are off, by what was seen of queries that the model was not fitted to."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Calibration(Protocol):
    """Makes an interval of an estimate and its spread."""

    def half_width(self, estimate: float, spread: float, confidence: float) -> float:
        """Return how far the answer may be from the estimate; infinite if nobody knows."""

    def half_widths(
        self, estimates: NDArray[np.float64], spreads: NDArray[np.float64], confidence: float
    ) -> NDArray[np.float64]:
        """Return the same for many."""

    def note(self, estimate: float, spread: float, truth: float) -> None:
        """Learn from an answer that has been verified."""
