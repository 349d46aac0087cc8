"""What is returned for a query: a value, how far it may be off, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError
from augury.parameters import check_number

CACHE = "cache"
ROLLUP = "rollup"
INFERRED = "inferred"
DATABASE = "database"
ORIGINS = (CACHE, ROLLUP, INFERRED, DATABASE)


class Answer(msgspec.Struct, frozen=True):
    """An answer, which always says where it comes from.

    Of a query that groups, `value`, `low` and `high` are dicts with an item a group, by the value
    of its column, or a tuple of the values of several.
    """

    value: Any
    low: Any
    """The answer lies between this and `high`, as often as `confidence` says; of an exact answer
    both are the value."""
    high: Any
    confidence: float
    """How often at least: 1.0 if it is exact."""
    origin: str
    """``cache`` (the database's, kept), ``rollup`` (added up from kept ones), ``inferred`` (a
    model's), or ``database``."""
    age: float
    """Seconds since the database was read; of an inferred answer, the last time for its model."""
    reasons: Any
    """What `explain` makes its text of."""

    def __repr__(self) -> str:
        names = ("value", "low", "high", "confidence", "origin", "age")
        return f"Answer({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    @property
    def exact(self) -> bool:
        """Whether it is the database's own answer, or what that adds up to, without noise."""
        return self.origin != INFERRED and self.confidence == 1.0

    def explain(self) -> str:
        """Return, in a few lines, what this answer is and why it was given and no other."""
        return str(self.reasons(self))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an answer may be off: no further than the larger of these.

    Parameters
    ----------
    absolute
        In the unit of the answer; None (the default) if that does not matter.
    relative
        As a share of the answer; None (the default) if that does not matter.

    Raises
    ------
    ConfigurationError
        If neither is given, or one is not above 0.

    Examples
    --------
    >>> Tolerance(relative=0.05).allows(value=200.0, half_width=9.0)
    True
    >>> Tolerance(absolute=2).allows(value=200.0, half_width=9.0)
    False
    """

    absolute: float | None = None
    relative: float | None = None

    def __post_init__(self) -> None:
        if self.absolute is None and self.relative is None:
            raise ConfigurationError("a tolerance is absolute, relative, or both")
        for name in ("absolute", "relative"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), unit="the answer's unit")

    def __str__(self) -> str:
        absolute = None if self.absolute is None else f"{self.absolute:g}"
        relative = None if self.relative is None else f"{100 * self.relative:g}%"
        return " or ".join(each for each in (absolute, relative) if each)

    @classmethod
    def of(cls, given: Tolerance | float | None) -> Tolerance | None:
        """Return a tolerance of what was `given` for one: a number is an absolute one."""
        return given if given is None or isinstance(given, Tolerance) else cls(absolute=given)

    def allow(
        self, values: NDArray[np.float64], half_widths: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return the same for arrays of `values` and `half_widths`; what is NaN is not allowed."""
        absolute = -1.0 if self.absolute is None else self.absolute
        relative = -1.0 if self.relative is None else self.relative
        allowed: NDArray[np.bool_] = half_widths <= np.maximum(absolute, relative * np.abs(values))
        return allowed

    def allows(self, value: float, half_width: float) -> bool:
        """Return whether `half_width` to either side of a `value` is narrow enough."""
        return half_width <= self.allowed(value)

    def allowed(self, value: float) -> float:
        """Return how far an answer of about this value may be off.

        Examples
        --------
        >>> Tolerance(absolute=2, relative=0.05).allowed(200.0)
        10.0
        """
        relative = 0.0 if self.relative is None else self.relative * abs(value)
        return relative if self.absolute is None else max(self.absolute, relative)
