"""Asks `Answers` about flights, beside databases, and compares every answer with the right one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from augury.answers import Answers, Tolerance
from augury.demo.flights import connect
from augury.demo.questions import STATEMENTS, TYPES, Cells, Question

TOLERANCES = {"flights": Tolerance(relative=0.05), "delay": Tolerance(absolute=2.0)}
"""How far an answer may be off: 5% of a count, 2 minutes of a delay."""
CONFIDENCE = 0.95
DECILES = 10

Peer = Callable[[Question], float | None]


@dataclass(frozen=True, slots=True)
class Served:
    """An answer that was given."""

    question: Question
    origin: str
    value: float | None
    low: float | None
    high: float | None
    truth: float | None
    rows: int
    """How many flights the question is about."""
    nanoseconds: int
    beside: Mapping[str, tuple[float | None, int]] = field(default_factory=dict)
    """What each peer answered, and in how many nanoseconds, if it was asked."""

    @property
    def inferred(self) -> bool:
        """Whether a model has answered."""
        return self.origin == "inferred"

    @property
    def sent(self) -> bool:
        """Whether it was sent to the database."""
        return self.origin == "database"

    @property
    def held(self) -> bool:
        """Whether the right answer lies in the interval."""
        if self.truth is None or self.low is None or self.high is None:
            return self.truth is self.value
        room = 1e-9 * abs(self.truth)  # sums are rounded
        return self.low - room <= self.truth <= self.high + room

    @property
    def error(self) -> float:
        """How far it is off as a share of the right answer; NaN if that is 0 or none."""
        return relative_error(self.value, self.truth)


def relative_error(value: float | None, truth: float | None) -> float:
    """Return how far a value is off as a share of the truth; NaN if there is no saying."""
    if value is None or not truth:
        return math.nan
    return abs(value - truth) / abs(truth)


def register(answers: Answers, sample: float | None = None) -> None:
    """Register the questions with their tolerances; models may be made of a share of the rows."""
    for name, statement in STATEMENTS.items():
        answers.register(
            name,
            statement,
            TYPES,
            tolerance=TOLERANCES[name],
            confidence=CONFIDENCE,
            sample=sample,
        )


def sqlite(database: Path) -> Peer:
    """Return what asks SQLite."""
    connection = connect(database)

    def ask(question: Question) -> float | None:
        value: float | None = connection.execute(
            STATEMENTS[question.name], question.parameters
        ).fetchone()[0]
        return value

    return ask


def serve(
    answers: Answers,
    cells: Cells,
    questions: Sequence[Question],
    peers: Mapping[str, Peer] | None = None,
    every: int = 1,
) -> list[Served]:
    """Ask questions one by one; of each so many, ask the peers, too, right after."""
    served = []
    for at, question in enumerate(questions):
        began = perf_counter_ns()
        answer = answers.ask(question.name, **question.parameters)
        took = perf_counter_ns() - began
        beside = {}
        if peers and at % every == 0:
            for name, peer in peers.items():
                began = perf_counter_ns()
                value = peer(question)
                beside[name] = (value, perf_counter_ns() - began)
        served.append(
            Served(
                question,
                answer.origin,
                answer.value,
                answer.low,
                answer.high,
                cells.answer(question),
                int(cells.measures(question)[0]),
                took,
                beside,
            )
        )
    return served


def coverage(served: Sequence[Served]) -> float:
    """Return the share of answers whose interval holds the right one; NaN of none."""
    return sum(each.held for each in served) / len(served) if served else math.nan


def deciles(served: Sequence[Served]) -> list[list[Served]]:
    """Return ten parts of equal size, from those about the fewest flights to the most."""
    order = np.argsort([each.rows for each in served], kind="stable")
    return [[served[at] for at in part] for part in np.array_split(order, DECILES)]


def errors(served: Sequence[Served]) -> NDArray[np.float64]:
    """Return the relative errors, of those that have one."""
    found = np.array([each.error for each in served], np.float64)
    known: NDArray[np.float64] = found[~np.isnan(found)]
    return known
