"""A fitted and calibrated model of a query's answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from augury.answers.calibration import Calibration, Scores
from augury.answers.fits import Estimator
from augury.answers.region import Box, Vocabulary
from augury.answers.target import Target
from augury.answers.watch import Watch


@dataclass(frozen=True, eq=False)
class Model:
    """What infers the answers of one query. Replaced as a whole."""

    fit: str
    """Name of the kind of model, such as ``cube``."""
    target: Target
    estimator: Estimator
    calibration: Calibration
    vocabulary: Vocabulary
    """The numbers that it knows categories by: as they were when it was fitted, maybe by another
    process."""
    watch: Watch
    """What audits have found of it."""
    time: float
    """Seconds since 1970 at which the newest query that it was fitted to was executed."""
    examples: int
    """How many executed queries it was fitted and calibrated with."""
    scores: Scores = field(default_factory=Scores.none)
    """What it is calibrated by."""
    compared: int = 0
    """How many executed queries there were when it was compared with others."""
    oldest: float = math.inf
    """Seconds since 1970 at which the oldest query that it was fitted to was executed; infinite if
    that is not known to be before `time`."""

    @property
    def since(self) -> float:
        """Seconds since 1970 from which on changes may be missing in what it was fitted to."""
        return min(self.time, self.oldest)

    def infer(self, box: Box, confidence: float) -> tuple[float, float, float]:
        """Return the estimate, how far the answer may be from it, and the spread.

        NaN, 0 and 0 is NULL: there are surely no rows.
        """
        estimate, spread = self.estimator.estimate_one(box)
        if spread == 0.0:
            return estimate, 0.0, 0.0
        return estimate, self.calibration.half_width(estimate, spread, confidence), spread
