"""What a model of a template is to estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.answers.examples import Examples

COUNT = "count"
SUM = "sum"
AVG = "avg"
VALUE = "value"
LABEL = "label"
ROWS = "rows"
"""The measure that says how many rows there are."""
KINDS = (COUNT, SUM, AVG, VALUE, LABEL)


@dataclass(frozen=True, slots=True)
class Target:
    """A measure of a family, or the ratio of two."""

    kind: str
    """One of `KINDS`. The first three are made of what adds up over disjoint regions."""
    measure: str
    """Name of a measure, such as ``sum:delay``."""
    per: str | None = None
    """Of an average, the measure it is divided by, such as ``count:delay``."""

    @property
    def adds_up(self) -> bool:
        """Whether it is made of measures that add up over disjoint regions."""
        return self.kind in (COUNT, SUM, AVG)

    @property
    def counted(self) -> str:
        """The measure that counts what is summed up; where it is 0, the sum is NULL.

        Of what is no sum, the measure itself.

        Examples
        --------
        >>> Target("sum", "sum:delay").counted, Target("count", "rows").counted
        ('count:delay', 'rows')
        """
        if self.per is not None:
            return self.per
        if self.kind != SUM:
            return self.measure
        return f"count:{self.measure.removeprefix('sum:')}"

    def asked(self, examples: Examples) -> NDArray[np.bool_]:
        """Return which examples say what it was, if only that it was NULL."""
        if self.kind in (VALUE, LABEL):
            return np.full(len(examples), self.measure in examples.measures)
        known = examples.knowing(self.measure)
        return known if self.per is None else known & examples.knowing(self.per)

    def of(self, examples: Examples) -> NDArray[np.float64]:
        """Return what each example says of it; NaN where that is nothing.

        Examples
        --------
        >>> both = {"sum:x": np.array([6.0, 0.0]), "count:x": np.array([3.0, 0.0])}
        >>> boxes = np.zeros((2, 1, 2))
        >>> Target("avg", "sum:x", "count:x").of(Examples((), (), boxes, both, np.zeros(2)))
        array([ 2., nan])
        """
        absent = np.full(len(examples), np.nan)
        values = examples.measures.get(self.measure, absent)
        if self.per is None:
            return values
        over = examples.measures.get(self.per, absent)
        ratios: NDArray[np.float64] = np.divide(values, over, out=absent, where=over > 0)
        return ratios
