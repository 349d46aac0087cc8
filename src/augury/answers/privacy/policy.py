"""What is asked of a query's answers so that they tell little of any one person."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from augury.answers.privacy.budget import Loss
from augury.errors import ConfigurationError
from augury.parameters import check_integer, check_number, shown

MOST_EPSILON = 10.0
"""Beyond this an answer is as good as exact, and calling it private would mislead."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """How a query's answers are kept from telling of single persons.

    With an `epsilon`, answers are differentially private (Dwork, McSherry, Nissim and Smith,
    *Calibrating Noise to Sensitivity in Private Data Analysis*, TCC 2006): each is made of noisy
    counts and sums by OpenDP, and so are the models that infer further answers. Two databases count
    as neighbours if one has the rows of one person more.

    Without, `minimum` alone withholds answers of few rows. That is no privacy by itself: whoever
    may ask for two ranges that differ in one person's rows learns these as the difference of two
    answers.

    Parameters
    ----------
    epsilon
        Privacy loss of one answer, above 0 and at most 10. Half of it goes to the sum and half to
        the count, where both are needed. None (the default): answers are exact.
    delta
        The probability with which a group may be shown that a single person makes up. Needed if the
        query groups, unused otherwise. By default 0.
    bounds
        Of the summed or averaged column: smaller and larger values are taken for these. Choose them
        without looking at the data. Needed for sums and averages.
    contribution
        Rows of one person at most, among those that the statement reads, after its joins. Nothing
        checks it. By default 1.
    minimum
        Answers of fewer rows (with `epsilon`: by the noisy count) are withheld: the value is None,
        and a group is left out. By default 0: nothing is withheld.

    Raises
    ------
    ConfigurationError
        If that makes no sense.

    Examples
    --------
    >>> Privacy(epsilon=0.1, bounds=(0, 120)).loss
    Loss(epsilon=0.1, delta=0.0)
    """

    epsilon: float | None = None
    delta: float = 0.0
    bounds: tuple[float, float] | None = None
    contribution: int = 1
    minimum: int = 0

    def __post_init__(self) -> None:
        check_integer("contribution", self.contribution)
        check_integer("minimum", self.minimum, least=0)
        if self.bounds is not None:
            _check_bounds(self.bounds)
        if self.epsilon is not None:
            Loss(self.epsilon, self.delta)
            if self.epsilon > MOST_EPSILON:
                raise ConfigurationError(
                    f"epsilon must be at most {MOST_EPSILON:g}, not {self.epsilon!r}: beyond, "
                    "answers are as good as exact"
                )
        elif not self.minimum:
            raise ConfigurationError("privacy is by epsilon, by minimum, or by both")

    @property
    def loss(self) -> Loss | None:
        """What one answer costs; None if it is not noisy."""
        return None if self.epsilon is None else Loss(self.epsilon, self.delta)

    def for_kind(self, kind: str, *, groups: bool) -> Privacy:
        """Return what matters of it for one kind of answer, or say what is missing.

        Parameters
        ----------
        kind
            As ``count`` or ``sum``.
        groups
            Whether the query has groups, whose presence has to be hidden, too.

        Raises
        ------
        ConfigurationError
            If `bounds` or `delta` are missing, or no answers of this kind can be private.
        """
        if kind not in ("count", "sum", "avg"):
            raise ConfigurationError(
                "only a plain COUNT, SUM or AVG of the rows that its parameters choose can be "
                "private"
            )
        if self.epsilon is None:
            return self
        if kind != "count" and self.bounds is None:
            raise ConfigurationError("a private sum or average needs bounds=(low, high)")
        if groups and self.delta < 1e-15:
            raise ConfigurationError(
                "private answers a group need a delta of at least 1e-15, such as 1e-6: that there "
                "is a group tells of who is in it"
            )
        return replace(self, delta=self.delta if groups else 0.0)


def _check_bounds(bounds: tuple[float, float]) -> None:
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise ConfigurationError(f"bounds are (low, high), not {shown(bounds)}")
    for each in bounds:
        check_number("a bound", each, least=-math.inf, unit="the column's unit")
    if not (bounds[1] - bounds[0] >= 1e-200 and max(map(abs, bounds)) < 2.0**53):
        raise ConfigurationError(
            f"bounds must be at least 1e-200 apart, and below 2**53, not {shown(bounds)}"
        )
