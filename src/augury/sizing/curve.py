"""A miss-ratio curve: what each size of a cache would miss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Miss ratios by capacity, as `augury.sizing.curve` returns them.

    Examples
    --------
    >>> from augury.sizing import curve
    >>> found = curve([1, 2, 1, 3, 1, 2], policy="lru")
    >>> found.capacities.tolist(), found.miss_ratios.round(3).tolist()
    ([1, 2, 3], [1.0, 0.667, 0.5])
    >>> round(found.at(2), 3)
    0.667
    """

    capacities: NDArray[np.int64]
    """Ascending, in entries or, if `by_bytes`, in bytes."""
    miss_ratios: NDArray[np.float64]
    """Misses a request, at each capacity; never rising."""
    errors: NDArray[np.float64]
    """Half the width of the 95% confidence interval of each miss ratio, for the keys being a
    sample; 0.0 where all keys were looked at. It is an estimate itself: docs/sizing.md tells how
    often the truth was inside."""
    byte_miss_ratios: NDArray[np.float64] | None
    """Missed bytes per requested byte; None if the trace has no sizes."""
    byte_errors: NDArray[np.float64] | None
    """As `errors`, of the byte miss ratios."""
    policy: str
    """As users write it."""
    method: str
    """``"exact"``, ``"shards"``, ``"aet"``, ``"simulation"`` or ``"analytic"``."""
    by_bytes: bool
    """Whether capacities are in bytes."""
    requests: int
    """Requests of the trace."""
    distinct: int
    """Distinct keys; an estimate, 0.4% off in the mean, unless all keys were looked at."""
    rate: float
    """Share of the keys that was looked at, from 0.0 to 1.0."""
    requested_bytes: float | None = None
    """Sum of the sizes of the requests; None if the trace has no sizes."""
    seconds: float | None = None
    """From the earliest to the latest request, if the trace says."""
    memory: int = field(default=0, compare=False)
    """Bytes that the samples of a stack method took; 0 for the others."""

    def at(self, capacity: float) -> float:
        """Return the miss ratio at a capacity, between two points on the line between them.

        Parameters
        ----------
        capacity
            In entries, or in bytes if `by_bytes`. Without any, everything misses.
        """
        return self._between(capacity, self.miss_ratios, 1.0)

    def error_at(self, capacity: float) -> float:
        """Return the error of `at` for the same `capacity`; see `errors`.

        Below the first point of a sample all that is known is that the ratio is between that one's
        and 1.
        """
        if self.rate < 1.0 and capacity < self.capacities[0]:
            return max(float(self.errors[0]), 1.0 - float(self.miss_ratios[0]))
        return self._between(capacity, self.errors, 0.0)

    def byte_ratio_at(self, capacity: float) -> float:
        """Return the byte miss ratio at a capacity; the miss ratio if the trace has no sizes."""
        if self.byte_miss_ratios is None:
            return self.at(capacity)
        return self._between(capacity, self.byte_miss_ratios, 1.0)

    def _between(self, capacity: float, values: NDArray[np.float64], none: float) -> float:
        first = int(self.capacities[0])
        if capacity < first:
            return none + (float(values[0]) - none) * max(capacity, 0.0) / first
        return float(np.interp(capacity, self.capacities, values))

    @property
    def least(self) -> float:
        """The miss ratio of a cache that holds all: first requests always miss."""
        return float(self.miss_ratios[-1])

    @property
    def knee(self) -> int:
        """The capacity beyond which more of it buys much less than before it.

        Where the curve, scaled to a square, lies farthest below its diagonal (V. Satopää et al.,
        "Finding a 'kneedle' in a haystack", 2011).
        """
        largest, falls = float(self.capacities[-1]), 1.0 - self.least
        if falls <= 0.0:
            return int(self.capacities[0])
        below = (1.0 - self.miss_ratios) / falls - self.capacities / largest
        return int(self.capacities[int(np.argmax(below))])

    def as_dict(self) -> dict[str, object]:
        """Return what `augury plan --json` prints."""
        named: dict[str, object] = {
            name: getattr(self, name)
            for name in ("policy", "method", "by_bytes", "requests", "distinct", "rate")
        }
        named["knee"] = self.knee
        for name in ("capacities", "miss_ratios", "errors", "byte_miss_ratios", "byte_errors"):
            values = getattr(self, name)
            named[name] = None if values is None else values.tolist()
        return named
