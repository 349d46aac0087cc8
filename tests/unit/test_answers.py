"""Registering and asking queries: what is kept, what is executed, what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from augury import Cache
from augury.answers import Answers, Parameter, Tolerance
from augury.errors import ConfigurationError, QueryError, SourceError

ROWS = [
    ("UA", "EWR", 1, 6, 5.0),
    ("UA", "EWR", 2, 7, None),
    ("UA", "JFK", 2, 8, -3.0),
    ("AA", "JFK", 3, 6, 12.0),
    ("B6", "JFK", 12, 23, 40.0),
]
BETWEEN = "FROM flights WHERE origin = :origin AND month BETWEEN :first AND :last"
TYPES = {"origin": str, "first": int, "last": int}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "flights.sqlite"
    connection = sqlite3.connect(file)
    connection.execute(
        "CREATE TABLE flights (carrier TEXT, origin TEXT, month INT, hour INT, delay REAL)"
    )
    connection.executemany("INSERT INTO flights VALUES (?, ?, ?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    return file


@pytest.fixture
def answers(path: Path) -> Iterator[Answers]:
    with Answers(f"sqlite:///{path}") as made:
        made.register("count", f"SELECT count(*) {BETWEEN}", TYPES)
        made.register("delay", f"SELECT avg(delay) {BETWEEN}", TYPES)
        made.register("total", f"SELECT sum(delay) {BETWEEN}", TYPES)
        made.register(
            "by carrier",
            f"SELECT carrier, count(*) {BETWEEN} GROUP BY carrier",
            TYPES,
        )
        yield made


def test_asks_the_database_once(answers: Answers) -> None:
    first = answers.ask("delay", origin="EWR", first=1, last=12)
    assert (first.value, first.low, first.high) == (5.0, 5.0, 5.0)
    assert (first.origin, first.confidence) == ("database", 1.0)
    again = answers.ask("delay", origin="EWR", first=1, last=12)
    assert (again.value, again.origin) == (5.0, "cache")


def test_exact_asks_the_database_again(answers: Answers, path: Path) -> None:
    question: dict[str, Any] = {"origin": "EWR", "first": 1, "last": 12}
    assert answers.ask("count", **question).value == 2
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO flights VALUES ('UA', 'EWR', 1, 1, 1.0)")
    assert answers.ask("count", **question).value == 2
    fresh = answers.ask("count", exact=True, **question)
    assert (fresh.value, fresh.origin) == (3, "database")
    assert answers.ask("count", **question).value == 3


def test_nothing_is_null(answers: Answers) -> None:
    question: dict[str, Any] = {"origin": "LGA", "first": 1, "last": 12}
    assert answers.ask("count", **question).value == 0
    assert answers.ask("total", **question).value is None
    assert answers.ask("delay", **question).value is None


def test_answers_each_group(answers: Answers) -> None:
    answer = answers.ask("by carrier", origin="JFK", first=1, last=12)
    assert answer.value == {"UA": 1, "AA": 1, "B6": 1}


def test_equal_queries_share_a_result(path: Path) -> None:
    cache: Cache[Any, Any] = Cache(100)
    with Answers(f"sqlite:///{path}", cache) as answers:
        answers.register("one", f"SELECT count(*) {BETWEEN}", TYPES)
        answers.register(
            "other",
            "SELECT COUNT(*) AS n FROM flights AS f"
            " WHERE :last >= f.month AND (f.origin = :origin AND f.month >= :first)",
            TYPES,
        )
        assert answers.ask("one", origin="EWR", first=1, last=3).origin == "database"
        assert answers.ask("other", origin="EWR", first=1, last=3).origin == "cache"


def test_values_are_never_part_of_the_statement(answers: Answers) -> None:
    attack = "EWR' OR '1'='1"
    assert answers.ask("count", origin=attack, first=1, last=12).value == 0
    assert answers.ask("count", origin="EWR", first=1, last=12).value == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"origin": "EWR", "first": 1}, "needs the parameter 'last'"),
        ({"origin": "EWR", "first": 1, "last": 2, "hour": 3}, "no parameter 'hour'"),
        ({"origin": 5, "first": 1, "last": 2}, "origin must be a text, not 5"),
        ({"origin": "EWR", "first": "1; DROP TABLE flights", "last": 2}, "must be a whole number"),
        ({"origin": "EWR", "first": True, "last": 2}, "must be a whole number"),
        ({"origin": "EWR", "first": 1.0, "last": 2}, "must be a whole number"),
        ({"origin": None, "first": 1, "last": 2}, "origin must be a text"),
        ({"origin": "a\0b", "first": 1, "last": 2}, "origin must be a text"),
        ({"origin": ["EWR"], "first": 1, "last": 2}, "origin must be a text"),
        ({"origin": "EWR", "first": 10**400, "last": 2}, "must be a whole number"),
    ],
)
def test_refuses_other_parameters(answers: Answers, given: dict[str, Any], told: str) -> None:
    with pytest.raises(QueryError, match=told):
        answers.ask("count", **given)


def test_refuses_unknown_queries(answers: Answers) -> None:
    with pytest.raises(QueryError, match="no query 'counts' is registered; there are: by carrier"):
        answers.ask("counts")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM flights WHERE month = :first", "nothing that writes"),
        ("SELECT 1; DROP TABLE flights", "only one SELECT"),
        ("SELECT count(*) FROM flights WHERE month = ?", "parameters have names"),
        ("SELECT", "cannot be read|one value"),
        ("SELEC count(*)", "cannot be read|only one SELECT"),
        ("SELECT 'x", "cannot be read"),
        ("", "only one SELECT"),
        ("SELECT * FROM flights WHERE month = :first", "one value"),
        ("SELECT count(*) FROM flights WHERE month = :first GROUP BY carrier", "to be selected"),
        ("SELECT count(*) FROM flights", "'first' is not in the statement"),
        ("SELECT count(*) FROM flights WHERE month = :first AND hour = :hour", "'hour' is of no"),
        ("SELECT count(*) FROM flights WHERE month IN :first", "list"),
    ],
)
def test_refuses_statements(answers: Answers, sql: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        answers.register("odd", sql, {"first": int})


def test_a_table_that_disappeared_is_told(answers: Answers, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE flights")
    with pytest.raises(SourceError, match="query 'count': no such table: flights"):
        answers.ask("count", origin="EWR", first=1, last=2)


def test_a_url_gets_connections_that_only_read(path: Path) -> None:
    with Answers(f"sqlite:///{path}") as answers:
        database = answers._database
        assert database is not None
        with database.engine.connect() as connection, pytest.raises(Exception, match="readonly"):
            connection.exec_driver_sql("DELETE FROM flights")


def test_asks_functions() -> None:
    asked = []

    def risk(*, age: int, smoker: bool) -> float:
        asked.append(age)
        return age / 100 + smoker

    answers = Answers()
    answers.register("risk", risk, {"age": Parameter(int, least=0), "smoker": bool})
    assert answers.ask("risk", age=30, smoker=True).value == 1.3
    assert answers.ask("risk", age=30, smoker=True).origin == "cache"
    assert asked == [30]
    with pytest.raises(QueryError, match="at least 0"):
        answers.ask("risk", age=-1, smoker=True)


@pytest.mark.parametrize("odd", [Tolerance, lambda: Tolerance(absolute=-1.0), lambda: Tolerance(0)])
def test_refuses_tolerances(odd: Any) -> None:
    with pytest.raises(ConfigurationError):
        odd()


def test_two_lists_choose_what_is_in_both(path: Path) -> None:
    with Answers(f"sqlite:///{path}") as answers:
        sql = "SELECT count(*) FROM flights WHERE month IN :those AND month IN :these"
        answers.register("both", sql, {"those": list[int], "these": list[int]})
        assert answers.ask("both", those=[2, 1], these=[2, 3]).value == 2
        assert answers.ask("both", those=[3], these=[2, 3]).value == 1
        assert answers.ask("both", those=[12], these=[2, 3]).value == 0
