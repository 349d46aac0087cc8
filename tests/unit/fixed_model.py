"""A model of answers that learns nothing, for tests of what becomes of its estimates."""

from __future__ import annotations

from typing import Any

import numpy as np

from augury.answers.model import Model
from augury.answers.query import Query
from augury.answers.watch import Watch


class Fixed:
    """An estimator and its calibration: always the same estimate, or a multiple, as sure."""

    def __init__(self, estimate: float, half: float, *, times: bool = False) -> None:
        self.value = estimate
        self.half = half
        self.times = times
        """Whether the estimate is so many times the first parameter."""
        self.noted: list[tuple[float, float, float]] = []

    def estimate(self, boxes: Any) -> tuple[Any, Any]:
        return np.array([self.estimate_one(box)[0] for box in boxes]), np.ones(len(boxes))

    def estimate_one(self, box: Any) -> tuple[float, float]:
        return self.value * float(box[0][0]) if self.times else self.value, 1.0

    def arrays(self) -> dict[str, Any]:
        return {}

    def half_width(self, estimate: float, spread: float, confidence: float) -> float:
        return self.half

    def half_widths(self, estimates: Any, spreads: Any, confidence: float) -> Any:
        return np.full(len(estimates), self.half)

    def note(self, estimate: float, spread: float, truth: float) -> None:
        self.noted.append((estimate, spread, truth))


def infer_by(query: Query, fixed: Fixed, time: float = 0.0) -> None:
    """Have a query's answers inferred so, as if that had been learned at a time."""
    vocabulary = query.family.vocabulary
    query.model = Model("fixed", query.target, fixed, fixed, vocabulary, Watch(0.95), time, 0)
