"""Why a query is answered as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from augury.answers.answer import CACHE, DATABASE, INFERRED, ROLLUP, Answer, Tolerance
from augury.answers.execution import Execution
from augury.answers.plan import Plan, Tried, steps_of
from augury.answers.target import LABEL


class Explaining(Execution):
    """A registered query, as far as it says why. `Query` inherits it."""

    def _reasons(
        self, values: Mapping[str, Any], tolerance: Tolerance | None, tried: list[Tried]
    ) -> Callable[[Answer], str]:
        return partial(self._explain, values, tolerance, tried)

    def _explain(
        self,
        values: Mapping[str, Any],
        tolerance: Tolerance | None,
        tried: list[Tried],
        answer: Answer,
    ) -> str:
        return str(self._plan(values, tolerance, tried, answer.origin, half_width_of(answer)))

    def _plan(
        self,
        values: Mapping[str, Any],
        tolerance: Tolerance | None,
        tried: Sequence[Tried],
        way: str,
        half: float | None,
    ) -> Plan:
        """Return what was found of the ways to an answer as a plan."""
        started = time.perf_counter()
        self._results.get(self.key(self.binding.region(values)))
        seconds = {
            CACHE: time.perf_counter() - started,
            ROLLUP: self._costs[ROLLUP].seconds,
            INFERRED: self._costs[INFERRED].seconds,
            DATABASE: self.seconds or None,
        }
        untried = {
            CACHE: "it is kept",
            ROLLUP: "not considered" if self._rollup else "it does not add up",
            INFERRED: self._why_not_inferred(tolerance),
            DATABASE: "nothing else may answer, or is worth its cost",
        }
        steps = steps_of(tried, untried, seconds, way, half)
        return Plan(self.name, values, str(tolerance or "none"), steps)

    def _why_not_inferred(self, tolerance: Tolerance | None) -> str:
        if not self._may_infer(tolerance):
            return "no tolerance was given"
        return "not considered" if self.model is not None else "nothing has been learned"

    def _may_infer(self, tolerance: Tolerance | None) -> bool:
        return tolerance is not None or self.target.kind == LABEL


def half_width_of(answer: Answer) -> float | None:
    """Return how far an answer may be off, if it is one number."""
    if isinstance(answer.value, int | float):
        return float(max(answer.high - answer.value, answer.value - answer.low))
    return None
