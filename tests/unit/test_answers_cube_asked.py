"""Queries that the cube answers: what was learned of ranges says what others have, and that some
have nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")
pytest.importorskip("crepes")
pytest.importorskip("scipy")

from augury.answers import Answers, Tolerance

WHERE = "FROM flights WHERE origin = :origin AND hour BETWEEN :first AND :last"
TYPES = {"origin": str, "first": int, "last": int}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """Flights at all hours but from 10 to 15, and all that was learned of 600 questions."""
    random = np.random.default_rng(1)
    hours = [hour for hour in range(24) if not 10 <= hour <= 15]
    rows = [
        (origin, hour, float(random.normal(10 + hour)))
        for origin in ("JFK", "LGA")
        for hour in hours
        for _ in range(random.poisson(40))
    ]
    path = tmp_path_factory.mktemp("flights") / "flights.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE flights (origin TEXT, hour INT, delay REAL)")
        connection.executemany("INSERT INTO flights VALUES (?, ?, ?)", rows)
    connection.close()
    with Answers(f"sqlite:///{path}", audits=1.0, learns=False) as answers:
        answers.register(
            "count", f"SELECT count(*) {WHERE}", TYPES, tolerance=Tolerance(relative=0.05)
        )
        answers.register("delay", f"SELECT avg(delay) {WHERE}", TYPES, tolerance=2.0)
        answers.register("total", f"SELECT sum(delay) {WHERE}", TYPES, tolerance=50.0)
        every = [
            {"origin": origin, "first": first, "last": last}
            for origin in ("JFK", "LGA")
            for first in range(24)
            for last in range(first, 24)
            if not (first >= 11 and last <= 14)
        ]
        for at in random.permutation(len(every))[:400].tolist():
            answers.ask("delay", exact=True, **every[at])
        for selection in answers.learn(models=["cube"]):
            assert selection.model is not None, str(selection)
            query = answers.query(selection.query)
            query.seconds = 1.0  # as of a slow database: one that is quick is asked itself
        yield answers


@pytest.mark.parametrize("name", ["count", "delay", "total"])
def test_answers_are_right(learned: Answers, name: str) -> None:
    inferred = 0
    for first in range(24):
        question: dict[str, Any] = {"origin": "JFK", "first": first, "last": min(first + 5, 23)}
        answer = learned.ask(name, **question)
        truth = learned.ask(name, exact=True, **question).value
        if answer.origin != "inferred":
            continue
        inferred += 1
        if truth is None:
            assert answer.value is None
        else:
            assert answer.low - 1e-6 <= truth <= answer.high + 1e-6
    assert inferred >= 5  # the others are kept


@pytest.mark.parametrize("name", ["delay", "total"])
def test_null_is_inferred_and_verified(learned: Answers, name: str) -> None:
    question: dict[str, Any] = {"origin": "JFK", "first": 12, "last": 13}  # never asked
    answer = learned.ask(name, **question)
    assert (answer.value, answer.low, answer.high, answer.origin) == (None, None, None, "inferred")
    assert "inferred" in answer.explain()
    assert learned._auditor.wait(10)
    model = learned.query(name).model
    assert model is not None
    finding = model.watch.finding()
    assert finding is not None
    assert finding.coverage == 1.0
    assert finding.error <= 50.0
    many = learned.ask_many(name, origin="LGA", first=[11, 16], last=[14, 20])
    assert np.isnan(many.values[0])
    assert many.origins[0] == "inferred"
    assert many.values[1] > 0
