"""Questions about ranges of flights, as a page on punctuality asks them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WHERE = (
    "FROM flights WHERE carrier = :carrier AND origin = :origin"
    " AND month BETWEEN :first_month AND :last_month AND hour BETWEEN :first_hour AND :last_hour"
)
STATEMENTS = {
    "flights": f"SELECT count(*) {_WHERE}",
    "delay": f"SELECT avg(dep_delay) {_WHERE}",
}
"""How many flights there were, and their mean delay at departure in minutes."""

TYPES = {
    "carrier": str,
    "origin": str,
    "first_month": int,
    "last_month": int,
    "first_hour": int,
    "last_hour": int,
}
"""Types of the parameters."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question."""

    name: str
    """Which of `STATEMENTS`."""
    parameters: dict[str, Any]

    @property
    def key(self) -> tuple[Any, ...]:
        """What only equal questions have."""
        return (self.name, *self.parameters.values())


class Cells:
    """The flights counted by carrier, origin, month and hour: right answers in no time.

    Parameters
    ----------
    database
        The SQLite file.
    """

    def __init__(self, database: Path) -> None:
        connection = sqlite3.connect(database)
        rows = connection.execute(
            "SELECT carrier, origin, month, hour, count(*), count(dep_delay), sum(dep_delay)"
            " FROM flights GROUP BY 1, 2, 3, 4"
        ).fetchall()
        connection.close()
        carriers, origins, months, hours = (sorted({row[at] for row in rows}) for at in range(4))
        self.pairs = sorted({(row[0], row[1]) for row in rows})
        """Each carrier with each airport that it flies from."""
        self.carriers: list[str] = carriers
        self.origins: list[str] = origins
        self.months: list[int] = list(range(months[0], months[-1] + 1))
        self.hours: list[int] = list(range(hours[0], hours[-1] + 1))
        cells = np.zeros((len(carriers), len(origins), len(self.months), len(self.hours), 3))
        for carrier, origin, month, hour, *measures in rows:
            cells[
                carriers.index(carrier),
                origins.index(origin),
                month - self.months[0],
                hour - self.hours[0],
            ] = [each or 0 for each in measures]
        self._cells = cells

    def measures(self, question: Question) -> NDArray[np.float64]:
        """Return how many flights it is about, how many left, and the sum of their delays."""
        of = question.parameters
        chosen = self._cells[
            self.carriers.index(of["carrier"]),
            self.origins.index(of["origin"]),
            of["first_month"] - self.months[0] : of["last_month"] - self.months[0] + 1,
            of["first_hour"] - self.hours[0] : of["last_hour"] - self.hours[0] + 1,
        ]
        total: NDArray[np.float64] = chosen.sum(axis=(0, 1))
        return total

    def answer(self, question: Question) -> float | None:
        """Return the right answer; None if there is none, as no flight left."""
        rows, left, delay = self.measures(question)
        if question.name == "flights":
            return float(rows)
        return float(delay / left) if left else None

    def questions(self, count: int, seed: int = 0) -> list[Question]:
        """Return questions whose parameters are each popular by Zipf's law, with exponent 1.

        Which carrier, airport, range of months and range of hours is how popular is random; an
        airport is one that the carrier flies from.
        """
        generator = np.random.default_rng(seed)
        carriers = _popular(generator, self.carriers, count)
        months = _popular(generator, _ranges(self.months), count)
        hours = _popular(generator, _ranges(self.hours), count)
        order = generator.permutation(len(self.origins)).tolist()
        from_there = {
            carrier: [self.origins[at] for at in order if (carrier, self.origins[at]) in self.pairs]
            for carrier in self.carriers
        }
        names = generator.choice(list(STATEMENTS), count).tolist()
        asked = []
        for name, carrier, (first, last), (begin, end) in zip(
            names, carriers, months, hours, strict=True
        ):
            origins = from_there[carrier]
            origin = origins[generator.choice(len(origins), p=_zipf(len(origins)))]
            asked.append(
                Question(
                    name,
                    {
                        "carrier": carrier,
                        "origin": origin,
                        "first_month": first,
                        "last_month": last,
                        "first_hour": begin,
                        "last_hour": end,
                    },
                )
            )
        return asked


def _zipf(count: int) -> NDArray[np.float64]:
    shares = 1 / np.arange(1, count + 1)
    normalised: NDArray[np.float64] = shares / shares.sum()
    return normalised


def _popular(generator: np.random.Generator, values: Sequence[Any], count: int) -> list[Any]:
    order = generator.permutation(len(values))
    return [values[order[at]] for at in generator.choice(len(values), count, p=_zipf(len(values)))]


def _ranges(values: Sequence[int]) -> list[tuple[int, int]]:
    return [(first, last) for first in values for last in values if first <= last]
