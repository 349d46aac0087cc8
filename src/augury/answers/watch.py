"""What audits have found: how often intervals held, how far estimates were off, and where."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from augury.answers.region import Box, Dimension
from augury.forks import renew_in_child

_WINDOW = 500  # audits that a report looks back on
_FAILING = 0.2  # share of misses that the alarm is to find soon
_ODDS = 400.0  # by which these are likelier under that than under the share agreed


@dataclass(frozen=True, slots=True)
class Audit:
    """An inferred answer and the database's."""

    box: Box
    estimate: float
    half_width: float
    truth: float
    time: float
    """Seconds since 1970 at which the database was asked."""

    @property
    def held(self) -> bool:
        """Whether the answer lay in the interval."""
        if math.isnan(self.estimate):
            return math.isnan(self.truth)
        # An estimate may be off by the rounding of sums, where the interval has no width.
        room = self.half_width + 1e-9 * abs(self.truth)
        return abs(self.truth - self.estimate) <= room

    @property
    def error(self) -> float:
        """How far the estimate was above the truth; 0 if one of them is NULL."""
        error = self.estimate - self.truth
        return 0.0 if math.isnan(error) else error


@dataclass(frozen=True, slots=True)
class Finding:
    """What audits say of one part of the space, or of all of it."""

    where: str
    """Such as ``carrier UA`` or ``month up to 4``; empty for all of it."""
    audits: int
    coverage: float
    """Share of the answers that lay in their interval."""
    bias: float
    """Mean error, in the unit of the answer: above 0 if estimates are too high."""
    error: float
    """Median distance from the truth."""
    relative_error: float
    """Median of that as a share of the truth, where it is not 0; NaN where it always is."""


class Watch:
    """Keeps the audits of one model, and raises an alarm when intervals hold too seldom.

    The alarm is a CUSUM test of the audits, one by one, for a share of misses of 20% against the
    share agreed (Page, "Continuous Inspection Schemes", Biometrika 1954). If half of
    them miss it goes off after ten audits, if 15% do after 60 (medians), and if no more do than
    the 5% agreed, once in 6,000.

    Parameters
    ----------
    confidence
        Share of the answers that are to lie in their interval.

    Examples
    --------
    >>> watch = Watch(0.95)
    >>> box = ((0.0, 0.0),)
    >>> for truth in (10.0, 10.5, 50.0, 60.0, 70.0, 75.0):
    ...     watch.note(Audit(box, estimate=10.0, half_width=1.0, truth=truth, time=truth))
    >>> watch.alarm, watch.since
    (False, 50.0)
    >>> watch.note(Audit(box, estimate=10.0, half_width=1.0, truth=80.0, time=80.0))
    >>> watch.alarm
    True
    """

    def __init__(self, confidence: float) -> None:
        missing = 1 - confidence
        failing = max(_FAILING, min(2 * missing, (1 + missing) / 2))
        self._miss = math.log(failing / missing)
        self._hit = math.log((1 - failing) / (1 - missing))
        self.begin_anew()
        renew_in_child(self)
        self._audits: deque[Audit] = deque(maxlen=_WINDOW)
        self._sum = 0.0
        self.count = 0
        """Audits ever."""
        self.alarm = False
        """Whether intervals hold too seldom."""
        self.since: float | None = None
        """When that may have begun, in seconds since 1970; None as long as all is well."""

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def note(self, audit: Audit) -> None:
        """Take note of an audit."""
        with self._lock:
            self._audits.append(audit)
            self.count += 1
            if not audit.held and self._sum == 0.0:
                self.since = audit.time
            self._sum = max(0.0, self._sum + (self._hit if audit.held else self._miss))
            if self._sum == 0.0:
                self.since = None
            if self._sum > math.log(_ODDS):
                self.alarm = True

    def finding(self) -> Finding | None:
        """Return what the last 500 audits say; None if there were none."""
        return _finding("", self._held())

    def findings(
        self, dimensions: Sequence[Dimension], values: Sequence[Sequence[object]]
    ) -> list[Finding]:
        """Return what they say of each part of each dimension, the most audited first.

        Parameters
        ----------
        dimensions
            Of the boxes.
        values
            Of each dimension, the values of its categories by number.
        """
        audits = self._held()
        found = []
        for at, dimension in enumerate(dimensions):
            parts: dict[str, list[Audit]] = {}
            limits = _quartiles(audit.box[at] for audit in audits) if dimension.ordered else []
            for audit in audits:
                low, high = audit.box[at]
                if dimension.ordered:
                    part = _part(_middle(low, high), limits)
                else:
                    part = str(values[at][int(low)])
                parts.setdefault(f"{dimension.name} {part}", []).append(audit)
            found += [_finding(where, those) for where, those in parts.items()]
        return sorted((each for each in found if each), key=lambda each: (-each.audits, each.where))

    def _held(self) -> list[Audit]:
        with self._lock:
            return list(self._audits)


def _finding(where: str, audits: Sequence[Audit]) -> Finding | None:
    if not audits:
        return None
    relative = [abs(audit.error / audit.truth) for audit in audits if abs(audit.truth) > 0]
    return Finding(
        where,
        len(audits),
        sum(audit.held for audit in audits) / len(audits),
        sum(audit.error for audit in audits) / len(audits),
        _median([abs(audit.error) for audit in audits]),
        _median(relative) if relative else math.nan,
    )


def _median(values: list[float]) -> float:
    values.sort()
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def _quartiles(sides: Iterable[tuple[float, float]]) -> list[float]:
    middles = sorted(_middle(low, high) for low, high in sides)
    return sorted({middles[len(middles) * part // 4] for part in (1, 2, 3)}) if middles else []


def _part(middle: float, limits: Sequence[float]) -> str:
    for limit in limits:
        if middle <= limit:
            return f"up to {limit:g}"
    return f"above {limits[-1]:g}" if limits else "any"


def _middle(low: float, high: float) -> float:
    """Return the middle of an interval, or the end that it has."""
    if math.isinf(low):
        return high if math.isfinite(high) else 0.0
    return low if math.isinf(high) else (low + high) / 2
