"""The scale on which answers are fitted, where errors of large and small ones count alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.answers.target import COUNT, SUM, VALUE, Target

_ORDERS = 50.0  # how often the median has to go into the largest value for a logarithm to pay


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear, or the inverse hyperbolic sine: linear near 0, and logarithmic far from it.

    Examples
    --------
    >>> scale = Scale(1.0)
    >>> abs(scale.back(float(scale.of(np.array([1_000.0]))[0])) - 1_000.0) < 1e-9
    True
    """

    unit: float
    """About where it begins to be logarithmic; 0 if it is linear."""

    @classmethod
    def fitting(cls, values: NDArray[np.float64], target: Target) -> Scale:
        """Return the scale for values of a target.

        Counts and sums are made of factors, so that logarithms make terms of them. An average is of
        one order of magnitude; any other value may be.
        """
        median = float(np.median(np.abs(values)))
        if target.kind == COUNT:
            return cls(1.0)
        if target.kind == SUM:
            return cls(median / 16 or 1.0)
        if target.kind == VALUE and float(np.abs(values).max()) > _ORDERS * median > 0:
            return cls(median / 16)
        return cls(0.0)

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values on the scale."""
        return np.arcsinh(values / self.unit) if self.unit else values

    def back(self, scaled: float) -> float:
        """Return the value at a place of the scale."""
        return self.unit * math.sinh(min(max(scaled, -300.0), 300.0)) if self.unit else scaled

    def all_back(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at places of the scale."""
        if not self.unit:
            return scaled
        values: NDArray[np.float64] = self.unit * np.sinh(np.clip(scaled, -300.0, 300.0))
        return values

    def stretch(self, value: float) -> float:
        """Return how much of the answer's unit one of the scale's is, near a value."""
        return math.hypot(value, self.unit) if self.unit else 1.0
