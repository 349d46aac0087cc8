"""What fetching ahead was worth."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PredictorReport:
    """What came of the guesses of one predictor that were followed."""

    name: str
    """Its name."""
    fetched: int
    """Keys that were fetched by its guesses."""
    used: int
    """Of these, those asked for before they left."""

    @property
    def precision(self) -> float:
        """The part of what it had fetched that was used; 0.0 if nothing was."""
        return self.used / self.fetched if self.fetched else 0.0


@dataclass(frozen=True, slots=True)
class PrefetchReport:
    """What fetching ahead was worth, live or in a simulation.

    Examples
    --------
    >>> report = PrefetchReport(requests=100, misses=30, fetched=16, used=10, unused=4)
    >>> report.precision, report.recall, round(report.f1, 3)
    (0.625, 0.25, 0.357)
    """

    requests: int
    """Requests that the predictors saw."""
    misses: int
    """Of those, the ones whose key was not there."""
    fetched: int
    """Keys fetched ahead."""
    used: int
    """Of those, the ones asked for while they waited."""
    unused: int
    """Of those, the ones that left before anyone asked; the rest still waits."""
    late: int = 0
    """Keys asked for while they were being fetched: they count as misses."""
    fetched_bytes: int = 0
    """Of what was fetched ahead, where sizes are known; else its number."""
    waited: Sequence[int] = field(default=(), repr=False)
    """How long used entries waited: element i counts those that did for less than 2**i units."""
    unit: float = 1.0
    """Of `waited`: one request in a simulation, or seconds in a live cache."""
    by_predictor: tuple[PredictorReport, ...] = ()
    """What came of the guesses of each."""

    @property
    def precision(self) -> float:
        """The part of what was fetched that was used; 0.0 if nothing was fetched."""
        return self.used / self.fetched if self.fetched else 0.0

    @property
    def recall(self) -> float:
        """The part of the requests for what the cache had not kept that it had fetched ahead.

        Also called coverage.
        """
        asked = self.used + self.misses
        return self.used / asked if asked else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def waited_at(self, share: float) -> float | None:
        """Return within how much time this share of the used entries was asked for.

        Parameters
        ----------
        share
            From 0 to 1; 0.5 is the median.

        Returns
        -------
        float or None
            An upper bound, a power of two, in requests of a simulation, else in seconds; None if
            nothing was used. What lies below the time that a fetch takes would have been late.

        Examples
        --------
        >>> PrefetchReport(9, 3, 4, 4, 0, waited=[0, 1, 2, 1]).waited_at(0.5)
        4.0
        """
        seen = list(itertools.accumulate(self.waited))
        if not seen or not seen[-1]:
            return None
        return 2.0 ** bisect.bisect_left(seen, max(share * seen[-1], 1)) * self.unit

    def as_dict(self) -> dict[str, object]:
        """Return all figures for machines."""
        return {
            "requests": self.requests,
            "misses": self.misses,
            "fetched": self.fetched,
            "fetched_bytes": self.fetched_bytes,
            "used": self.used,
            "unused": self.unused,
            "late": self.late,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "waited_p10": self.waited_at(0.1),
            "waited_p50": self.waited_at(0.5),
            "waited_p90": self.waited_at(0.9),
            "by_predictor": {
                each.name: {"fetched": each.fetched, "used": each.used}
                for each in self.by_predictor
            },
        }
