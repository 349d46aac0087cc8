"""What the database answers of a registered query, and what is known of its tables."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from augury.answers.answer import INFERRED, ROLLUP, Tolerance
from augury.answers.audit import Auditor
from augury.answers.cost import Cost
from augury.answers.family import Family
from augury.answers.grouped import empty_groups
from augury.answers.invalidation import Changes, Generation
from augury.answers.model import Model
from augury.answers.parameter import Parameter
from augury.answers.region import Binding, Region
from augury.answers.report import Served
from augury.answers.result import Result, read_result
from augury.answers.results import Key, Results
from augury.answers.rollup import Rollup
from augury.answers.sample import Sample
from augury.answers.statement import Statement
from augury.answers.target import ROWS, Target
from augury.errors import QueryError

Run = Callable[[Mapping[str, Any]], tuple[Sequence[tuple[Any, ...]], float]]
"""Executes a query with checked parameters: its rows, and the seconds that took."""


class Execution:
    """A registered query, as far as the database answers it. `Query` inherits it."""

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
        distrust: Callable[[Any, Model], None],
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
        self.draw: Callable[[Any], Sample] | None = None
        """Reads a share of its rows, if models may be made of these, too."""
        self.audited: Model | None = None
        """The model of which audits have told last."""
        self.served = Served()
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

    def forget(self, before: float) -> None:
        """Forget what was learned before a time, and infer no more until it is learned anew."""
        self.family.log.forget(before)
        self.model = self.counts = None

    def void_before(self) -> float:
        """Return before when what was executed says nothing of the data as they are."""
        generation = self._now()
        return generation.void_before if self._ages else generation.changed

    def execute(self, values: Mapping[str, Any], region: Region) -> Result:
        """Ask the database, and learn from what it returns."""
        started = time.time()
        key, generation = self.key(region), self._now()
        rows, took = self._run(values)
        self.seconds = took if self.seconds == 0.0 else 0.9 * self.seconds + 0.1 * took
        result = read_result(self.name, self.statement, rows, started)
        if self._now() == generation:  # or nobody knows which state of the table that is
            self.family.note(region, self.binding.groups, result, generation.changed)
            if self.statement.groups and self.target.adds_up:
                self._note_empty(region, result, generation.changed)
            if self._rollup is not None:
                self._rollup.note(
                    generation,
                    self.binding.dimensions,
                    self.binding.groups,
                    region,
                    self._measures,
                    key,
                )
        return result

    def _note_empty(self, region: Region, result: Result, changed: float) -> None:
        """Learn that the groups which the database has not returned have no rows."""
        names = (ROWS, self.target.measure, self.target.per)
        nothing = {name: 0.0 for name in names if name is not None}
        found = set(result.groups)
        for box in empty_groups(self.family.vocabulary, region, self.binding.groups, found):
            self.family.log.note(box, nothing, result.time, changed)


def _measures(target: Target) -> tuple[str, ...]:
    """Return the measures that an executed query tells, if it adds up."""
    return tuple(dict.fromkeys((ROWS, target.counted, target.measure)))


def tag_of(table: str, *, rows: bool) -> str:
    """Return the tag of a table's results: of all of them, or of those that void with any row."""
    last = table.lower().rpartition(".")[2]
    return f"augury.answers {last}{' rows' if rows else ''}"


def _tags(statement: Statement, *, ages: bool) -> tuple[str, ...]:
    kinds = (False,) if ages else (False, True)
    return tuple(sorted({tag_of(t, rows=rows) for t in statement.tables for rows in kinds}))
