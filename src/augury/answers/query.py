"""A registered query: what is asked, and the choice of what answers it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from augury.answers.answer import (
    CACHE,
    DATABASE,
    INFERRED,
    ROLLUP,
    Answer,
    Tolerance,
)
from augury.answers.audit import Auditor
from augury.answers.cost import Cost
from augury.answers.family import Family
from augury.answers.grouped import Groups, empty_groups, infer_groups
from augury.answers.invalidation import Changes, Generation
from augury.answers.many import AnswerColumns, Columns
from augury.answers.model import Model
from augury.answers.parameter import Parameter
from augury.answers.plan import Plan, Tried, steps_of
from augury.answers.region import Binding, Box, Region
from augury.answers.result import Result, read_result
from augury.answers.results import Key, Results
from augury.answers.rollup import Rollup
from augury.answers.sample import Sample
from augury.answers.statement import Statement
from augury.answers.target import LABEL, ROWS, Target
from augury.answers.watch import Audit
from augury.errors import QueryError

Run = Callable[[Mapping[str, Any]], tuple[Sequence[tuple[Any, ...]], float]]
"""Executes a query with checked parameters: its rows, and the seconds that took."""


class Query:
    """One query that can be asked. Made by `Answers.register`."""

    may_age: ClassVar[bool] = True
    """Whether a kept count may be served, in a wider interval, after some rows have changed."""

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
        changes: Changes,
        rollup: Rollup | None,
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
        self.draw: Callable[[Query], Sample] | None = None
        """Reads a share of its rows, if models may be made of these, too."""
        self.counts: Model | None = None
        """What infers how many rows there are, if answers of several groups are not counts of rows
        themselves: a group of no rows is left out."""
        self.seconds = 0.0
        """What the database takes, on the mean of late."""
        self._run = run
        self._results = results
        self._changes = changes
        self._rollup = rollup if target.adds_up else None
        self._costs = {ROLLUP: Cost(5e-5), INFERRED: Cost(2e-5)}
        counts = statement.kind == "count" and not statement.groups
        self._ages = self.may_age and statement.single and counts
        self._tags = _tags(statement, ages=self._ages)
        self._known: tuple[int, Generation] = (-1, Generation((), (), -math.inf, -math.inf, ()))
        self._measures = _measures(target)
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
        tolerance = self.tolerance if tolerance is None else tolerance
        region = self.binding.region(values)
        trusted = self._changes.trusted()  # first, since that may tell of a change
        key = self.key(region)
        tried: list[Tried] = []
        if exact:
            tried.append((CACHE, None, "the database has to answer"))
        elif not trusted:
            tried.append((CACHE, None, "nobody would have told of changes"))
        else:
            answer = self._choose(values, region, key, tolerance, tried)
            if answer is not None:
                if answer.origin == INFERRED and random.random() < self._audits:
                    self._have_audited(values, region, tolerance)
                return answer
            result = self._results.load(key, lambda: self.execute(values, region), self._tags)
            if self._slack(result.time) == 0:
                return self._exact(result, DATABASE, self._reasons(values, tolerance, tried))
        result = self._results.refresh(key, lambda: self.execute(values, region), self._tags)
        return self._exact(result, DATABASE, self._reasons(values, tolerance, tried))

    def plan(self, given: Mapping[str, Any], *, tolerance: Tolerance | None = None) -> Plan:
        """Return what `ask` would do now, and why."""
        values = self.values(given)
        tolerance = self.tolerance if tolerance is None else tolerance
        tried: list[Tried] = []
        trusted = self._changes.trusted()
        region = self.binding.region(values)
        if trusted:
            answer = self._choose(values, region, self.key(region), tolerance, tried)
        else:
            answer = None
            tried.append((CACHE, None, "nobody would have told of changes"))
        way, half = (DATABASE, 0.0) if answer is None else (answer.origin, _half_width(answer))
        return self._plan(values, tolerance, tried, way, half)

    def _choose(
        self,
        values: Mapping[str, Any],
        region: Region,
        key: Key,
        tolerance: Tolerance | None,
        tried: list[Tried],
    ) -> Answer | None:
        """Return an answer for which the database need not be asked, if it is worth finding."""
        held = self._results.get(key)
        if held is not None:
            slack = self._slack(held.time)
            if slack == 0:
                return self._exact(held, CACHE, self._reasons(values, tolerance, tried))
            if math.isfinite(slack) and tolerance and tolerance.allows(held.values[0], slack):
                reasons = self._reasons(values, tolerance, tried)
                return self._within(held.values[0], slack, 1.0, CACHE, held.time, reasons)
            tried.append((CACHE, slack, "its table has changed since"))
        else:
            tried.append((CACHE, None, "it is not kept"))
        ways = [ROLLUP] if self._rollup is not None and not self.statement.groups else []
        if self.model is not None and self._may_infer(tolerance):
            ways.append(INFERRED)
        for way in sorted(ways, key=lambda each: self._costs[each].price):
            cost = self._costs[way]
            if 0.0 < self.seconds < cost.price:
                cost.skip()
                tried.append((way, None, "the database is expected to cost less"))
                continue
            started = time.perf_counter()
            if way == ROLLUP:
                answer = self._roll_up(values, region, tolerance, tried)
            else:
                answer = self.infer(values, region, tolerance, tried)
            cost.note(time.perf_counter() - started, worked=answer is not None)
            if answer is not None:
                return answer
        return None

    def key(self, region: Region) -> Key:
        """Return what only equal queries, of data of the same generation, have."""
        generation = self._now()
        of = generation.whole if self._ages else generation.any
        return ("augury.answers", self._space, of, region)

    def _now(self) -> Generation:
        """Return what has been reported of its tables."""
        epoch, known = self._changes.epoch, self._known
        if known[0] != epoch:
            known = (
                epoch,
                self._changes.generation(self.statement.tables, shared=self._results.shared),
            )
            self._known = known  # at once, for threads that come meanwhile
        return known[1]

    def _slack(self, read: float) -> float:
        """Return how far an answer may be off by what has changed since it was read."""
        generation = self._now()
        if read > generation.changed:
            return 0.0
        if read <= generation.void_before or not self._ages:
            return math.inf
        return self._changes.rows_since(generation, read)

    def _roll_up(
        self,
        values: Mapping[str, Any],
        region: Region,
        tolerance: Tolerance | None,
        tried: list[Tried],
    ) -> Answer | None:
        """Return what kept results add up to, if they do."""
        assert self._rollup is not None
        total = self._rollup.total(
            self._now().any, self.binding.dimensions, region, self.target, self._fresh
        )
        if total is None:
            tried.append((ROLLUP, None, "no kept results add up to it"))
            return None
        tried.append((ROLLUP, 0.0, f"added up from {total.parts} kept results or groups"))
        reasons = self._reasons(values, tolerance, tried)
        return self._within(total.value, 0.0, 1.0, ROLLUP, total.time, reasons)

    def _fresh(self, key: Key) -> Result | None:
        held = self._results.get(key)
        return held if held is not None and self._slack(held.time) == 0 else None

    def infer(
        self,
        values: Mapping[str, Any],
        region: Region,
        tolerance: Tolerance | None,
        tried: list[Tried],
    ) -> Answer | None:
        """Return an inferred answer, if there is one that is sure enough."""
        model = self.model
        if model is None or not self._may_infer(tolerance):
            return None
        reasons = self._reasons(values, tolerance, tried)
        if self.statement.groups:
            groups = self._infer_groups(model, region, tolerance)
            if groups is None:
                tried.append((INFERRED, None, "a group is unknown, or not sure enough"))
                return None
            tried.append((INFERRED, None, f"each group is sure enough ({model.fit})"))
            return self._of_groups(groups, model.time, reasons)
        box = model.vocabulary.box(region)
        if box is None:
            tried.append((INFERRED, None, "a value is unknown, or there are several"))
            return None
        estimate, half, _ = model.infer(box, self.confidence)
        half += self._slack(model.time)
        if not self._allows(tolerance, estimate, half):
            tried.append((INFERRED, half, "its interval is wider than the tolerance"))
            return None
        tried.append((INFERRED, half, f"its interval is narrow enough ({model.fit})"))
        value = model.vocabulary.label(estimate) if self.target.kind == LABEL else estimate
        if math.isnan(estimate):
            value = None
        return self._within(value, half, self.confidence, INFERRED, model.time, reasons)

    def _may_infer(self, tolerance: Tolerance | None) -> bool:
        return tolerance is not None or self.target.kind == LABEL

    def _allows(self, tolerance: Tolerance | None, estimate: float, half: float) -> bool:
        """Return whether an estimate is sure enough. A label is if it cannot be another one."""
        if tolerance is None or self.target.kind == LABEL:
            return half == 0.0
        if math.isnan(estimate):
            return half == 0.0  # NULL, for sure
        return math.isfinite(half) and tolerance.allows(estimate, half)

    def _infer_groups(
        self, model: Model, region: Region, tolerance: Tolerance | None
    ) -> Groups | None:
        """Return what is inferred of each group, if all of it is sure enough."""
        counts = model if self.target.measure == ROWS else self.counts
        if counts is None or self._slack(min(model.time, counts.time)):
            return None
        return infer_groups(
            model,
            counts,
            self.family.vocabulary,
            region,
            self.binding.groups,
            self.confidence,
            partial(self._allows, tolerance),
        )

    def _of_groups(self, groups: Groups, read: float, reasons: Any) -> Answer:
        found = {_group(group): each for group, each in groups.values.items()}
        return Answer(
            {group: each.estimate for group, each in found.items()},
            {group: each.estimate - each.half_width for group, each in found.items()},
            {group: each.estimate + each.half_width for group, each in found.items()},
            self.confidence,
            INFERRED,
            max(0.0, time.time() - read),
            reasons,
        )

    def _have_audited(
        self, values: Mapping[str, Any], region: Region, tolerance: Tolerance | None
    ) -> None:
        """Have an answer that was just inferred verified in the background."""
        model = self.model
        if model is None:
            return
        if self.statement.groups:
            groups = self._infer_groups(model, region, tolerance)
            if groups is not None:
                self._auditor.submit(lambda: self._audit_groups(model, values, region, groups))
            return
        box = model.vocabulary.box(region)
        if box is not None:
            estimate, half, spread = model.infer(box, self.confidence)
            half += self._slack(model.time)
            self._auditor.submit(
                lambda: self._audit(model, values, region, box, estimate, half, spread)
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
        model = self.model if self._changes.trusted() else None
        labels = self.target.kind == LABEL
        if model is not None and self._may_infer(tolerance):
            boxes = columns.boxes(
                self.binding.dimensions, self.binding.conditions, model.vocabulary.values
            )
            values, spreads = model.estimator.estimate(boxes)
            halves = model.calibration.half_widths(values, spreads, self.confidence)
            nulls = np.isnan(values) & (spreads == 0.0)
            halves[nulls] = 0.0
            halves = halves + self._slack(model.time)
            sure = halves == 0.0 if tolerance is None or labels else tolerance.allow(values, halves)
            sure |= nulls & (halves == 0.0)
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
        started = time.time()
        key, generation = self.key(region), self._now()
        rows, took = self._run(values)
        self.seconds = took if self.seconds == 0.0 else 0.9 * self.seconds + 0.1 * took
        result = read_result(self.name, self.statement, rows, started)
        if self._now() == generation:  # or nobody knows which state of the table that is
            self.family.note(region, self.binding.groups, result)
            if self.statement.groups and self.target.adds_up:
                self._note_empty(region, result)
            if self._rollup is not None:
                self._rollup.note(
                    generation.any,
                    self.binding.dimensions,
                    self.binding.groups,
                    region,
                    self._measures,
                    key,
                )
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
        result = self._results.refresh(key, lambda: self.execute(values, region), self._tags)
        truth = self._truth(model, result.values[0])
        if self.model is not model or self.key(region) != key:
            return  # which of them the truth is of, nobody knows
        if not math.isnan(estimate):
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
        self, model: Model, values: Mapping[str, Any], region: Region, groups: Groups
    ) -> None:
        """Compare an inferred answer a group with the database's, and keep that."""
        key, counts = self.key(region), self.counts if self.target.measure != ROWS else model
        result = self._results.refresh(key, lambda: self.execute(values, region), self._tags)
        if self.model is not model or counts is None or self.key(region) != key:
            return
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

    def _exact(self, result: Result, origin: str, reasons: Any) -> Answer:
        return self._within(self._shaped(result), 0.0, 1.0, origin, result.time, reasons)

    def _shaped(self, result: Result) -> Any:
        """Return the value, or a dict of one a group."""
        if not self.statement.groups:
            return result.values[0]
        return dict(zip(map(_group, result.groups), result.values, strict=True))

    def _within(
        self, value: Any, half: float, confidence: float, origin: str, read: float, reasons: Any
    ) -> Answer:
        """Return an answer that may be off by so much."""
        low, high = (value, value) if half == 0.0 else (value - half, value + half)
        if half and self.statement.kind == "count":
            low = max(low, 0)
        return Answer(value, low, high, confidence, origin, max(0.0, time.time() - read), reasons)

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
        return str(self._plan(values, tolerance, tried, answer.origin, _half_width(answer)))

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


def _group(found: tuple[Any, ...]) -> Any:
    """Return what stands for a group in an answer."""
    return found if len(found) > 1 else found[0]


def _half_width(answer: Answer) -> float | None:
    """Return how far an answer may be off, if it is one number."""
    if isinstance(answer.value, int | float):
        return float(max(answer.high - answer.value, answer.value - answer.low))
    return None


def _measures(target: Target) -> tuple[str, ...]:
    """Return the measures that an executed query tells, if it adds up."""
    also = (target.per,) if target.per else ()
    if target.measure.startswith("sum:"):
        also = (target.measure.replace("sum:", "count:", 1),)
    return tuple(dict.fromkeys(("rows", *also, target.measure)))


def tag_of(table: str, *, rows: bool) -> str:
    """Return the tag of a table's results: of all of them, or of those that void with any row."""
    last = table.lower().rpartition(".")[2]
    return f"augury.answers {last}{' rows' if rows else ''}"


def _tags(statement: Statement, *, ages: bool) -> tuple[str, ...]:
    kinds = (False,) if ages else (False, True)
    return tuple(sorted({tag_of(t, rows=rows) for t in statement.tables for rows in kinds}))
