"""Which ways to an answer there are, what each is expected to cost, and why one was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from augury.answers.answer import DATABASE, ORIGINS

Tried: TypeAlias = tuple[str, float | None, str]
"""A way to an answer, how far it might be off, and why it was or was not taken."""


@dataclass(frozen=True, slots=True)
class Step:
    """One way to an answer."""

    way: str
    """One of `augury.answers.answer.ORIGINS`."""
    taken: bool
    """Whether the answer comes, or would come, from it."""
    seconds: float | None
    """What it is expected to cost, as measured of late; None if that was never measured."""
    half_width: float | None
    """How far its answer may be off, in the unit of the answer; None if it has none."""
    why: str
    """Why it was or was not taken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The ways to an answer, in the order in which they are considered.

    Its text is made to be read.

    Examples
    --------
    >>> print(
    ...     Plan(
    ...         "delay",
    ...         {"month": 7},
    ...         "2.0",
    ...         (
    ...             Step("cache", False, 2e-6, None, "nothing is kept"),
    ...             Step("inferred", True, 2e-5, 1.25, "the interval is narrow enough"),
    ...             Step("database", False, 0.023, 0.0, "not needed"),
    ...         ),
    ...     )
    ... )
    delay (month=7), tolerance 2.0
       cache         0.002 ms              nothing is kept
    -> inferred      0.020 ms  ± 1.25      the interval is narrow enough
       database     23.000 ms  ± 0         not needed
    """

    query: str
    """Name of the query."""
    parameters: Mapping[str, Any]
    """Values of its parameters."""
    tolerance: str
    """How far an inferred answer may be off; ``none`` if it is not to be inferred."""
    steps: tuple[Step, ...]

    @property
    def way(self) -> str:
        """Where the answer comes, or would come, from."""
        return next(step.way for step in self.steps if step.taken)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        lines = [f"{self.query} ({given}), tolerance {self.tolerance}"]
        for step in self.steps:
            cost = "" if step.seconds is None else f"{step.seconds * 1e3:.3f} ms"
            half = "" if step.half_width is None else f"± {step.half_width:.4g}"
            arrow = "->" if step.taken else "  "
            lines.append(f"{arrow} {step.way:<9} {cost:>12}  {half:<10}  {step.why}".rstrip())
        return "\n".join(lines)


def steps_of(
    tried: Sequence[Tried],
    untried: Mapping[str, str],
    seconds: Mapping[str, float | None],
    taken: str,
    half_width: float | None,
) -> tuple[Step, ...]:
    """Return all ways to an answer: those that were tried, and why the others were not."""
    found = {way: (half, why) for way, half, why in tried}
    steps = []
    for way in ORIGINS:
        half, why = found.get(way, (None, untried[way]))
        if way == taken:
            half = half_width
        elif way == DATABASE:
            half, why = 0.0, "not needed"
        steps.append(Step(way, way == taken, seconds[way], half, why))
    return tuple(steps)
