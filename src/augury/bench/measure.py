"""Rows of figures, and the loop that measures times."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Timed: TypeAlias = Callable[[int], object]
"""Does a round's operations; it is given the round's number."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure."""

    rounds: int = 21
    """Contenders take turns in each of them."""
    operations: int = 100_000
    """In a round of a live row."""
    entries: int = 1_000_000
    """Of a cache whose memory is measured."""
    requests: int = 1_000_000
    """Of a generated trace."""

    @classmethod
    def quick(cls) -> Effort:
        """Return an effort of seconds, whose figures are rough."""
        return cls(rounds=7, operations=20_000, entries=200_000, requests=200_000)


@dataclass(frozen=True, slots=True)
class Target:
    """What Augury should reach: at most `factor` times the reference, plus `allowance`."""

    factor: float = 1.0
    allowance: float = 0.0

    def met(self, measured: Measurement, reference: Measurement) -> bool:
        """Return whether what was `measured` reaches it, beside that of the `reference`."""
        return measured.ratio <= self.factor + self.allowance / reference.value

    def __str__(self) -> str:
        extra = f" + {self.allowance:g}" if self.allowance else ""
        return f"≤ {self.factor:g}x{extra}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one contender."""

    contender: str
    value: float
    """Median over the rounds, in the row's unit; less is better."""
    ratio: float
    """Median over the rounds of the value divided by the reference's in the same round."""
    low: float
    """First quartile of these ratios."""
    high: float
    """Third quartile of these ratios."""
    note: str = ""
    """What is to be said of it."""

    @property
    def ours(self) -> bool:
        """Whether it is Augury's, so that the row's target applies to it."""
        return self.contender.startswith("augury")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to measure."""

    name: str
    """For `--only`."""
    title: str
    """What is measured, for people."""
    unit: str
    """Of its values."""
    reference: str
    """The contender that the others are divided by."""
    target: Target
    """What Augury's ratio to the reference should be."""
    measure: Callable[[], list[Measurement]] = field(repr=False)


def compare(
    contenders: Mapping[str, Timed],
    reference: str,
    *,
    rounds: int,
    operations: int,
    clock: Callable[[], int] = time.process_time_ns,
    notes: Mapping[str, Callable[[], str]] | None = None,
) -> list[Measurement]:
    """Time contenders in turns.

    Every round runs them all once, one after the other, and begins with another one each time.
    What is reported of a contender is the median over the rounds of its time divided by the
    reference's in the same round: what slows the machine for longer than a round falls out, and
    what slows it for a moment is not the median. A first round is not counted, and Python's cyclic
    garbage collection is off.

    Parameters
    ----------
    contenders
        What to time, by name.
    reference
        Name of the one that the others are divided by.
    rounds
        How many rounds to count.
    operations
        How many operations one call does.
    clock
        Nanoseconds; by default of processor time, which other processes do not lengthen. For
        threads that wait for each other it has to be `time.perf_counter_ns`.
    notes
        What to note about a contender when all is over.

    Returns
    -------
    list of Measurement
        In the contenders' order; values are nanoseconds an operation.
    """
    names = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in names}
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds + 1):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                run = contenders[name]
                begun = clock()
                run(turn)
                spent = clock() - begun
                if turn:
                    times[name].append(spent / operations)
    finally:
        if collecting:
            gc.enable()
    return [
        summarise(name, times[name], times[reference], notes[name]() if notes else "")
        for name in names
    ]


def summarise(
    contender: str, values: Sequence[float], reference: Sequence[float], note: str = ""
) -> Measurement:
    """Sum up one contender's rounds.

    Examples
    --------
    >>> summarise("augury", [1.0, 2.0, 9.0], [2.0, 4.0, 6.0]).ratio
    0.5
    """
    ratios = [value / other for value, other in zip(values, reference, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Measurement(
        contender, statistics.median(values), statistics.median(ratios), low, high, note
    )
