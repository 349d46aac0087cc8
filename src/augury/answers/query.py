"""A registered query: the choice of what answers it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from augury.answers.answer import CACHE, DATABASE, INFERRED, ROLLUP, Answer, Tolerance
from augury.answers.explaining import half_width_of
from augury.answers.inferring import Inferring, group_of
from augury.answers.many import AnswerColumns, Columns, is_number
from augury.answers.plan import Plan, Tried
from augury.answers.region import Region
from augury.answers.report import QueryReport
from augury.answers.result import Result
from augury.answers.results import Key
from augury.answers.target import LABEL
from augury.answers.watch import Finding
from augury.errors import QueryError


class Query(Inferring):
    """One query that can be asked. Made by `Answers.register`."""

    def ask(
        self, given: Mapping[str, Any], *, exact: bool = False, tolerance: Tolerance | None = None
    ) -> Answer:
        """Return an answer, from wherever that costs least within the tolerance."""
        answer = self._asked(given, exact, tolerance)
        self.served.count(answer.origin)
        return answer

    def _asked(self, given: Mapping[str, Any], exact: bool, tolerance: Tolerance | None) -> Answer:
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
            halves = halves + self._slack(model.since)
            sure = halves == 0.0 if tolerance is None or labels else tolerance.allow(values, halves)
            sure |= nulls & (halves == 0.0)
        lows, highs = values - halves, values + halves
        if self.statement.kind == "count":
            lows = np.maximum(lows, 0.0)
        if labels:
            values = np.full(columns.length, None, object)
            if model is not None:
                values[sure] = [model.vocabulary.label(number) for number in lows[sure]]
            lows, highs = values.copy(), values.copy()
        others = np.flatnonzero(~sure)
        asked = [self.ask(row, tolerance=tolerance) for row in columns.rows(others)]
        if not all(is_number(each.value) for each in asked):
            values, lows, highs = (each.astype(object) for each in (values, lows, highs))
        for at, answer in zip(others.tolist(), asked, strict=True):
            values[at], lows[at], highs[at] = answer.value, answer.low, answer.high
            origins[at] = answer.origin
        self.served.count(INFERRED, columns.length - len(others))
        return AnswerColumns(values, lows, highs, origins, self.confidence)

    def report(self) -> QueryReport:
        """Return how it has been answered, and what audits have found."""
        model, audited = self.model, self.audited
        parts: list[Finding] = []
        if audited is not None:
            values = [list(each) for each in audited.vocabulary.values]
            parts = audited.watch.findings(self.binding.dimensions, values)
        return QueryReport(
            self.name,
            self.served.counts(),
            None if model is None else model.fit,
            0 if model is None else model.examples,
            None if audited is None else audited.watch.finding(),
            tuple(parts),
        )

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
        way, half = (DATABASE, 0.0) if answer is None else (answer.origin, half_width_of(answer))
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
            self._now(), self.binding.dimensions, region, self.target, self._fresh
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

    def _exact(self, result: Result, origin: str, reasons: Any) -> Answer:
        return self._within(self._shaped(result), 0.0, 1.0, origin, result.time, reasons)

    def _shaped(self, result: Result) -> Any:
        """Return the value, or a dict of one a group."""
        if not self.statement.groups:
            return result.values[0]
        return dict(zip(map(group_of, result.groups), result.values, strict=True))
