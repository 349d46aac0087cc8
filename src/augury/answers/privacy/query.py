"""Queries whose answers are private: withheld if they are of few rows, or noisy.

Everything beyond `PrivateQuery.execute` sees noisy results only, never the database: what is kept,
the family that is learned from, the models, their intervals and explanations. Whatever is computed
from differentially private results alone is as private as these (post-processing: Dwork and Roth,
*The Algorithmic Foundations of Differential Privacy*, 2014, proposition 2.1). So inferred answers
cost no budget.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from itertools import compress, count
from typing import Any

import msgspec
from msgspec.structs import replace

from augury.answers.answer import INFERRED, Answer, Tolerance
from augury.answers.plan import Tried
from augury.answers.privacy.budget import Budget
from augury.answers.privacy.clamping import Grid
from augury.answers.privacy.noise import Noise
from augury.answers.privacy.policy import Privacy
from augury.answers.query import Query
from augury.answers.region import Region
from augury.answers.result import Result, plain, read_result
from augury.answers.statement import Statement
from augury.errors import QueryError


class WithholdingQuery(Query):
    """A query whose answers are exact, and withheld if they are of few rows.

    Nothing is learned from them: a model of exact answers may tell the difference of two.

    Parameters
    ----------
    minimum
        Rows that an answer is of at least.
    """

    may_age = False

    def __init__(self, *args: Any, minimum: int, **named: Any) -> None:
        super().__init__(*args, **named)
        self._minimum = minimum

    def execute(self, values: Mapping[str, Any], region: Region) -> Result:  # noqa: ARG002
        """Ask the database, and leave out what is of too few rows."""
        started = time.time()
        rows, _ = self._run(values)
        result = read_result(self.name, self.statement, rows, started)
        return _withheld(self.statement, result, "rows", self._minimum)

    def _explain(self, *found: Any) -> str:
        return f"{super()._explain(*found)}\nwithheld if it is of fewer than {self._minimum} rows"


class PrivateQuery(Query):
    """A query of which one tenant gets noisy answers, or ones inferred from these.

    Parameters
    ----------
    privacy
        With an epsilon.
    noise
        By which each execution costs one loss.
    grid
        Of the summed column; None of counts.
    budget, tenant
        Whose budget is spent.
    """

    may_age = False  # noisy counts may be off by more than the rows that have changed

    def __init__(
        self,
        *args: Any,
        privacy: Privacy,
        noise: Noise,
        grid: Grid | None,
        budget: Budget,
        tenant: str,
        **named: Any,
    ) -> None:
        super().__init__(*args, **named)
        self._privacy = privacy
        self._noise = noise
        self._grid = grid
        self._budget = budget
        self._tenant = tenant

    def ask(
        self, given: Mapping[str, Any], *, exact: bool = False, tolerance: Tolerance | None = None
    ) -> Answer:
        """Return an answer: one that this tenant was given before, an inferred or a new one.

        Raises
        ------
        QueryError
            If the exact answer is asked for.
        BudgetError
            If a new one is needed, and the budget does not suffice.
        """
        if exact:
            raise QueryError(f"query {self.name!r} is private: it has no exact answers")
        return super().ask(given, tolerance=tolerance)

    def execute(self, values: Mapping[str, Any], region: Region) -> Result:
        """Return the noisy result that this tenant was given before, or else pay for a new one."""
        loss = self._privacy.loss
        assert loss is not None
        for turn in count():  # after a change of the data, the same question is another one
            asked = msgspec.msgpack.encode((self._space, region, turn))
            question = hashlib.sha256(asked).digest()
            kept = self._budget.published(self._tenant, question)
            if kept is None:
                break
            result = msgspec.msgpack.decode(kept, type=Result)
            if self._slack(result.time) == 0:
                return self._learned(region, result)
        self._budget.check(self._tenant, loss)
        started = time.time()
        rows, _ = self._run(values)
        made = msgspec.msgpack.encode(self._noisy(rows, started))
        kept = self._budget.publish(self._tenant, question, loss, made)
        return self._learned(region, msgspec.msgpack.decode(kept, type=Result))

    def _learned(self, region: Region, result: Result) -> Result:
        self.family.note(region, self.binding.groups, result)
        return result

    def _noisy(self, rows: Sequence[tuple[Any, ...]], started: float) -> Result:
        by = len(self.statement.groups)
        exact = {at: int(row[by]) for at, row in enumerate(rows)}
        counts = self._noise.counts(exact) if by else {0: self._noise.count(exact[0])}
        # In the order of the groups themselves: the database's may tell how it found them.
        shown = sorted(counts, key=lambda at: repr(rows[at][:by]))
        parts = [{self._counted: float(max(0, counts[at]))} for at in shown]
        if self._grid is not None:
            steps = self._noise.sums([int(rows[at][by + 1] or 0) for at in shown])
            for part, moved in zip(parts, steps, strict=True):
                centre = self._grid.centre * part[self._counted]
                part[self.target.measure] = self._grid.value(moved) + centre
        return _withheld(
            self.statement,
            Result(
                tuple(tuple(plain(each) for each in rows[at][:by]) for at in shown),
                tuple(self._interval(part, self.confidence, 1)[0] for part in parts),
                tuple(parts),
                started,
            ),
            self._counted,
            self._privacy.minimum,
        )

    @property
    def _counted(self) -> str:
        """Name of the measure that says how many rows there are."""
        column = self.statement.column
        return "rows" if column == "*" else f"count:{column}"

    def _exact(self, result: Result, origin: str, reasons: Any) -> Answer:
        """Return a noisy answer, in an interval that says how large the noise may be.

        Of groups, all lie in their intervals at once with the probability of `confidence`.
        """
        known = len(result.parts) or 1
        rows = [
            self._interval(part, self.confidence, known) if part else (None, None, None)
            for part in result.parts
        ]
        columns = tuple(zip(*rows, strict=True)) or ((), (), ())
        value, low, high = (replace(result, values=column) for column in columns)
        return Answer(
            self._shaped(value),
            self._shaped(low),
            self._shaped(high),
            self.confidence,
            origin,
            max(0.0, time.time() - result.time),
            reasons,
        )

    def _interval(
        self, part: Mapping[str, float], confidence: float, many: int
    ) -> tuple[Any, Any, Any]:
        """Return the noisy value of one row, and where it is without noise.

        Where that takes a count and a sum, both hold at once, and so for many rows.
        """
        noise = self._noise
        found = part[self._counted]
        alpha = (1 - confidence) / many / (1 if self._grid is None else 2)
        rows_off = noise.error(noise.count_scale, alpha)
        fewest, most = max(0.0, found - rows_off), found + rows_off
        if self._grid is None:
            return int(found), math.ceil(fewest), math.floor(most)
        off = self._grid.value(noise.error(noise.sum_scale, alpha))
        total = part[self.target.measure]
        if self.target.per is None:
            return total, total - off, total + off
        low, high = self._privacy.bounds or (-math.inf, math.inf)
        if found < 1:
            return None, low, high
        moved = total - self._grid.centre * found
        ends = [
            self._grid.centre + (moved + side * off) / max(1.0, each)
            for side in (-1, 1)
            for each in (fewest, most)
        ]
        value, least, most_of = (
            min(max(each, low), high) for each in (total / found, min(ends), max(ends))
        )
        return value, least, most_of

    def _explain(
        self,
        values: Mapping[str, Any],
        tolerance: Tolerance | None,
        tried: list[Tried],
        answer: Answer,
    ) -> str:
        epsilon, delta = self._budget.left(self._tenant)
        if answer.origin == INFERRED:
            told = "inferred from noisy answers, at no cost"
        else:
            told = f"noisy: {self._privacy.loss} was paid for it"
        return (
            f"{super()._explain(values, tolerance, tried, answer)}\n"
            f"{told}; left to {self._tenant!r}: epsilon {epsilon:.6g}, delta {delta:.6g}"
        )


def _withheld(statement: Statement, result: Result, counted: str, minimum: int) -> Result:
    """Return a result without what is of fewer rows: no group, or None instead of the value."""
    enough = [part.get(counted, 0.0) >= minimum for part in result.parts]
    if all(enough):
        return result
    if not statement.groups:
        return replace(result, values=(None,), parts=({},))
    return Result(
        tuple(compress(result.groups, enough)),
        tuple(compress(result.values, enough)),
        tuple(compress(result.parts, enough)),
        result.time,
    )
