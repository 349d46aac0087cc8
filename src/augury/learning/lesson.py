"""What models learn from: rows of one log, and what is known of them at which time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from augury.learning import labels

if TYPE_CHECKING:
    from augury.features import Rows

QUARTERS = 4
"""Parts of the period learned from; validation learns from some and predicts the next one."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What all models of a comparison learn from, read from the trace once."""

    name: str
    """Of the trace."""
    requests: int
    """Of the whole trace."""
    stop: int
    """First request that nothing is learned from."""
    past: Rows
    """Of requests before that, with labels as known at it."""
    future: Rows
    """Of the others, to test with."""
    seed: int
    """Of what was drawn."""

    @property
    def horizon(self) -> float:
        """Requests beyond which no next access is told apart from never."""
        return labels.horizon_of(0, self.stop)

    @property
    def censored(self) -> float:
        """Share of the rows of which the period's end hides the next request."""
        return float(self.past.censored.mean())

    def training(self, quarters: int = QUARTERS) -> labels.Training:
        """Return the rows of the first quarters of the period, labelled with what was known then.

        Raises
        ------
        LearningError
            If there are too few, or one has a feature that is no number.
        """
        stop = self.stop if quarters == QUARTERS else quarters * (self.stop // QUARTERS)
        return labels.training(self.past, 0, stop)

    def judged(self, quarter: int) -> labels.Judged:
        """Return the rows of a quarter, counted from 0, that were followed for long enough."""
        length = self.stop // QUARTERS
        start, end = quarter * length, min((quarter + 1) * length, self.stop)
        return labels.judged(self.past, start, end, self.stop)

    def test(self) -> labels.Judged:
        """Return the rows after the period that were followed for long enough."""
        return labels.judged(self.future, self.stop, self.requests, self.requests)
