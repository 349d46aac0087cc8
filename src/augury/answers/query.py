"""A registered query: what is asked, and the choice of what answers it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from augury.answers.answer import CACHE, DATABASE, INFERRED, Answer, Tolerance
from augury.answers.audit import Auditor
from augury.answers.family import Family
from augury.answers.grouped import Groups, empty_groups, infer_groups
from augury.answers.many import AnswerColumns, Columns
from augury.answers.model import Model
from augury.answers.parameter import Parameter
from augury.answers.region import Binding, Box, Region
from augury.answers.result import Result, read_result
from augury.answers.results import Key, Results
from augury.answers.statement import Statement
from augury.answers.target import LABEL, ROWS, Target
from augury.answers.watch import Audit
from augury.errors import QueryError

Run = Callable[[Mapping[str, Any]], tuple[Sequence[tuple[Any, ...]], float]]
"""Executes a query with checked parameters: its rows, and the seconds that took."""


class Query:
    """One query that can be asked. Made by `Answers.register`."""

    def __init__(
        self,
        name: str,
        statement: Statement,
        parameters: Mapping[str, Parameter],
        binding: Binding,
        family: Family,
        target: Target,
        *,
        run: Run,
        results: Results,
        generation: Callable[[], Any],
        tolerance: Tolerance | None,
        confidence: float,
        auditor: Auditor,
        audits: float,
        distrust: Callable[[Query, Model], None],
    ) -> None:
        self.name = name
        self.statement = statement
        self.parameters = dict(parameters)
        self.binding = binding
        self.family = family
        self.target = target
        self.tolerance = tolerance
        self.confidence = confidence
        self.model: Model | None = None
        """What infers answers; None as long as nothing has been learned, or it is not trusted."""
        self.counts: Model | None = None
        """What infers how many rows there are, if answers of several groups are not counts of rows
        themselves: a group of no rows is left out."""
        self.seconds = 0.0
        """What the database takes, on the mean of late."""
        self._run = run
        self._results = results
        self._generation = generation
        self._auditor = auditor
        self._audits = audits
        self._distrust = distrust
        self._names = tuple(self.parameters)
        by = ", ".join(statement.groups)
        self._space = f"{family.name} | {target.kind} {statement.column} by {by}"

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return checked values of all parameters.

        Raises
        ------
        QueryError
            If one is unknown, missing or of another type.
        """
        if len(given) != len(self.parameters) or given.keys() != self.parameters.keys():
            raise QueryError(self._other_names(given))
        return {name: each.checked(name, given[name]) for name, each in self.parameters.items()}

    def _other_names(self, given: Mapping[str, Any]) -> str:
        wanted = ", ".join(self.parameters) or "none"
        for name in given:
            if name not in self.parameters:
                return f"query {self.name!r} has no parameter {name!r}; it has {wanted}"
        absent = next(name for name in self.parameters if name not in given)
        return f"query {self.name!r} needs the parameter {absent!r}"

    def ask(
        self, given: Mapping[str, Any], *, exact: bool = False, tolerance: Tolerance | None = None
    ) -> Answer:
        """Return an answer, from wherever that costs least within the tolerance."""
        values = self.values(given)
        region = self.binding.region(values)
        key = self.key(region)
        if exact:
            result = self.execute(values, region)
            self._results.put(key, result, tuple(self.statement.tables))
            return self._exact(result, DATABASE)
        held = self._results.get(key)
        if held is not None:
            return self._exact(held, CACHE)
        inferred = self.infer(values, region, self.tolerance if tolerance is None else tolerance)
        if inferred is not None:
            return inferred
        result = self._results.load(
            key, lambda: self.execute(values, region), tuple(self.statement.tables)
        )
        return self._exact(result, DATABASE)

    def key(self, region: Region) -> Key:
        """Return what only equal queries, of data of the same generation, have."""
        return ("augury.answers", self._space, self._generation(), region)

    def infer(
        self, values: Mapping[str, Any], region: Region, tolerance: Tolerance | None
    ) -> Answer | None:
        """Return an inferred answer, if there is one that is sure enough; have some verified."""
        model = self.model
        if model is None or (tolerance is None and self.target.kind != LABEL):
            return None
        if self.statement.groups:
            return self._infer_groups(model, values, region, tolerance)
        box = model.vocabulary.box(region)
        if box is None:
            return None
        estimate, half, spread = model.infer(box, self.confidence)
        if not self._allows(tolerance, estimate, half):
            return None
        if random.random() < self._audits:
            self._auditor.submit(
                lambda: self._audit(model, values, region, box, estimate, half, spread)
            )
        if self.target.kind == LABEL:
            label = model.vocabulary.label(estimate)
            return self._inferred(model, label, label, label)
        return self._inferred(model, estimate, estimate - half, estimate + half)

    def _allows(self, tolerance: Tolerance | None, estimate: float, half: float) -> bool:
        """Return whether an estimate is sure enough. A label is if it cannot be another one."""
        if tolerance is None or self.target.kind == LABEL:
            return half == 0.0
        return math.isfinite(half) and tolerance.allows(estimate, half)

    def _inferred(self, model: Model, value: Any, low: Any, high: Any) -> Answer:
        age = time.time() - model.time
        return Answer(value, low, high, self.confidence, INFERRED, age, self._reasons)

    def _infer_groups(
        self,
        model: Model,
        values: Mapping[str, Any],
        region: Region,
        tolerance: Tolerance | None,
    ) -> Answer | None:
        counts = model if self.target.measure == ROWS else self.counts
        if counts is None:
            return None
        groups = infer_groups(
            model,
            counts,
            self.family.vocabulary,
            region,
            self.binding.groups,
            self.confidence,
            partial(self._allows, tolerance),
        )
        if groups is None:
            return None
        if random.random() < self._audits:
            self._auditor.submit(lambda: self._audit_groups(model, counts, values, region, groups))
        found = groups.values.items()
        return self._inferred(
            model,
            {_group(group): each.estimate for group, each in found},
            {_group(group): each.estimate - each.half_width for group, each in found},
            {_group(group): each.estimate + each.half_width for group, each in found},
        )

    def ask_many(
        self, given: Mapping[str, ArrayLike], *, tolerance: Tolerance | None = None
    ) -> AnswerColumns:
        """Return answers of many queries: inferred together, and the others one by one."""
        if given.keys() != self.parameters.keys():
            raise QueryError(self._other_names(given))
        if self.statement.groups:
            raise QueryError(f"query {self.name!r} groups: ask such queries one by one")
        columns = Columns(self.name, self.parameters, given)
        tolerance = self.tolerance if tolerance is None else tolerance
        values = np.full(columns.length, np.nan)
        halves = np.zeros(columns.length)
        origins = np.full(columns.length, INFERRED)
        sure = np.zeros(columns.length, np.bool_)
        model = self.model
        labels = self.target.kind == LABEL
        if model is not None and (tolerance is not None or labels):
            boxes = columns.boxes(
                self.binding.dimensions, self.binding.conditions, model.vocabulary.values
            )
            values, spreads = model.estimator.estimate(boxes)
            halves = model.calibration.half_widths(values, spreads, self.confidence)
            sure = halves == 0.0 if tolerance is None or labels else tolerance.allow(values, halves)
        lows, highs = values - halves, values + halves
        if labels:
            values = np.full(columns.length, None, object)
            if model is not None:
                values[sure] = [model.vocabulary.label(number) for number in lows[sure]]
            lows, highs = values.copy(), values.copy()
        others = np.flatnonzero(~sure)
        for at, row in zip(others.tolist(), columns.rows(others), strict=True):
            answer = self.ask(row, tolerance=tolerance)
            values[at], lows[at], highs[at] = answer.value, answer.low, answer.high
            origins[at] = answer.origin
        return AnswerColumns(values, lows, highs, origins, self.confidence)

    def execute(self, values: Mapping[str, Any], region: Region) -> Result:
        """Ask the database, and learn from what it returns."""
        rows, took = self._run(values)
        self.seconds = took if self.seconds == 0.0 else 0.9 * self.seconds + 0.1 * took
        result = read_result(self.name, self.statement, rows, time.time())
        self.family.note(region, self.binding.groups, result)
        if self.statement.groups and self.target.adds_up:
            self._note_empty(region, result)
        return result

    def _note_empty(self, region: Region, result: Result) -> None:
        """Learn that the groups which the database has not returned have no rows."""
        names = (ROWS, self.target.measure, self.target.per)
        nothing = {name: 0.0 for name in names if name is not None}
        found = set(result.groups)
        for box in empty_groups(self.family.vocabulary, region, self.binding.groups, found):
            self.family.log.note(box, nothing, result.time)

    def _audit(
        self,
        model: Model,
        values: Mapping[str, Any],
        region: Region,
        box: Box,
        estimate: float,
        half: float,
        spread: float,
    ) -> None:
        """Compare an inferred answer with the database's, and keep that."""
        key = self.key(region)
        result = self.execute(values, region)
        truth = self._truth(model, result.values[0])
        if self.model is not model or self.key(region) != key:
            return  # which of them the truth is of, nobody knows
        self._results.put(key, result, tuple(self.statement.tables))
        model.calibration.note(estimate, spread, truth)
        model.watch.note(Audit(box, estimate, half, truth, result.time))
        if model.watch.alarm:
            self._distrust(self, model)

    def _truth(self, model: Model, value: Any) -> float:
        """Return the database's answer as the number that a model estimates."""
        if self.target.kind == LABEL:
            return float(model.vocabulary.labels.get(value, math.nan))
        return math.nan if value is None else float(value)

    def _audit_groups(
        self,
        model: Model,
        counts: Model,
        values: Mapping[str, Any],
        region: Region,
        groups: Groups,
    ) -> None:
        """Compare an inferred answer a group with the database's, and keep that."""
        key = self.key(region)
        result = self.execute(values, region)
        if self.model is not model or self.key(region) != key:
            return
        self._results.put(key, result, tuple(self.statement.tables))
        rows = {
            group: part.get(ROWS, math.nan)
            for group, part in zip(result.groups, result.parts, strict=True)
        }
        truths = dict(zip(result.groups, result.values, strict=True))
        found = [(counts, each, rows.get(group, 0.0)) for group, each in groups.counts.items()]
        if counts is not model:
            found += [
                (model, each, self._truth(model, truths[group]))
                for group, each in groups.values.items()
                if group in truths
            ]
        for which, each, truth in found:
            which.calibration.note(each.estimate, each.spread, truth)
            which.watch.note(Audit(each.box, each.estimate, each.half_width, truth, result.time))
        if model.watch.alarm or counts.watch.alarm:
            self._distrust(self, model if model.watch.alarm else counts)

    def _exact(self, result: Result, origin: str) -> Answer:
        value = self._shaped(result)
        age = max(0.0, time.time() - result.time)
        return Answer(value, value, value, 1.0, origin, age, self._reasons)

    def _shaped(self, result: Result) -> Any:
        """Return the value, or a dict of one a group."""
        if not self.statement.groups:
            return result.values[0]
        return dict(zip(map(_group, result.groups), result.values, strict=True))

    def _reasons(self, answer: Answer) -> str:
        return f"{self.name}: {answer.origin}"


def _group(found: tuple[Any, ...]) -> Any:
    """Return what stands for a group in an answer."""
    return found if len(found) > 1 else found[0]
