"""Bad questions: one clear line each, and the database sees registered statements only."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

import sqlalchemy

from augury.answers import Answers, Parameter, Tolerance
from augury.errors import AuguryError, ConfigurationError, QueryError, SourceError

DELAYS = (
    "SELECT avg(delay) FROM flights WHERE carrier = :carrier AND month BETWEEN :first AND :last"
)
TYPES = {"carrier": str, "first": int, "last": int}
ATTACKS = [
    "UA'; DROP TABLE flights; --",
    "UA' OR '1'='1",
    'UA" OR ""="',
    "UA\\' OR 1=1 --",
    ":first",
    "%(first)s",
    "?",
    "UA/*",
    "\uff35\uff21\u2019; DELETE FROM flights",
    "x" * 1_000_000,
]


class Traced:
    """A SQLite file whose engine writes down every statement that SQLite runs, values included."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: list[str] = []
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE flights (carrier TEXT, month INT, delay REAL)")
            rows = [("UA", month, float(month)) for month in range(1, 13)]
            connection.executemany("INSERT INTO flights VALUES (?, ?, ?)", rows)
        connection.close()
        self.engine = sqlalchemy.create_engine(f"sqlite:///{path}")

        @sqlalchemy.event.listens_for(self.engine, "connect")
        def trace(connection: Any, _: object) -> None:
            connection.set_trace_callback(self.statements.append)

    def selects(self) -> list[str]:
        """What ran but for transactions and settings."""
        own = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
        return [each for each in self.statements if not each.startswith(own)]

    def rows(self) -> int:
        with sqlite3.connect(self.path) as connection:
            count: int = connection.execute("SELECT count(*) FROM flights").fetchone()[0]
        connection.close()
        return count


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    made = Traced(tmp_path / "flights.sqlite")
    yield made
    made.engine.dispose()


@pytest.fixture
def answers(traced: Traced) -> Iterator[Answers]:
    with Answers(traced.engine) as made:
        made.register("delay", DELAYS, TYPES, tolerance=2.0)
        yield made
    assert traced.rows() == 12


def said(error: pytest.ExceptionInfo[AuguryError]) -> str:
    """The error's text: one line, and not a page."""
    text = str(error.value)
    assert "\n" not in text
    assert 0 < len(text) < 400
    assert text.encode()  # can be written to a log
    return text


GIVEN: dict[str, Any] = {"carrier": "UA", "first": 1, "last": 2}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"carier": "UA", "first": 1, "last": 2}, "no parameter 'carier'"),
    ({"carrier": "UA", "first": 1}, "needs the parameter 'last'"),
    ({**GIVEN, "month": 5}, "no parameter 'month'"),
    ({**GIVEN, "carrier": b"UA"}, "carrier must be a text"),
    ({**GIVEN, "carrier": None}, "carrier must be a text"),
    ({**GIVEN, "carrier": "U\0A"}, "carrier must be a text"),
    ({**GIVEN, "carrier": "U\ud800A"}, "carrier must be a text"),
    ({**GIVEN, "carrier": ["UA"] * 1_000_000}, "carrier must be a text"),
    ({**GIVEN, "first": math.nan}, "first must be a whole number"),
    ({**GIVEN, "first": math.inf}, "first must be a whole number"),
    ({**GIVEN, "first": 1.0}, "first must be a whole number"),
    ({**GIVEN, "first": True}, "first must be a whole number"),
    ({**GIVEN, "first": "1"}, "first must be a whole number"),
    ({**GIVEN, "first": 2**63}, "first must be a whole number"),
    ({**GIVEN, "first": 10**5000}, "first must be a whole number"),
    ({**GIVEN, "first": datetime(2013, 1, 1)}, "first must be a whole number"),
]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("given", "told"), WRONG)
def test_wrong_parameters_reach_no_database(
    answers: Answers, traced: Traced, given: dict[str, Any], told: str, exact: bool
) -> None:
    with pytest.raises(QueryError) as error:
        answers.ask("delay", exact=exact, **given)
    assert told in said(error)
    assert traced.statements == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**GIVEN, "first": [1, 2], "last": [1, 2, 3]}, "arrays of one length"),
        ({**GIVEN, "first": [1.5, 2.5]}, "first must be an array of int"),
        ({**GIVEN, "first": [math.nan]}, "first must be an array of int"),
        ({**GIVEN, "first": [[1], [2, 3]]}, "first must be an array, not a ragged list"),
        ({**GIVEN, "first": np.zeros((2, 2), int)}, "2 dimensions"),
        ({**GIVEN, "first": np.array([2**60])}, "first must be a whole number"),
        ({**GIVEN, "carrier": ["UA", None], "first": [1, 1]}, "carrier must be an array of str"),
        ({**GIVEN, "carrier": ["U\ud800", "B"], "first": [1, 1]}, "carrier must be a text"),
        ({**GIVEN, "carrier": ["U\0A", "B"], "first": [1, 1]}, "carrier must be a text"),
        ({"carrier": ["UA"]}, "needs the parameter 'first'"),
    ],
)
def test_wrong_columns_reach_no_database(
    answers: Answers, traced: Traced, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(QueryError) as error:
        answers.ask_many("delay", **given)
    assert told in said(error)
    assert traced.statements == []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda text: text[:12])
def test_an_attack_is_a_value_like_any(answers: Answers, traced: Traced, attack: str) -> None:
    assert answers.ask("delay", carrier=attack, first=1, last=12).value is None
    assert answers.ask_many("delay", carrier=[attack], first=1, last=11).origins == ["database"]
    statements = traced.selects()
    assert len(statements) == 2
    for statement in statements:
        # What SQLite expands is the registered statement, with the attack as one literal of it.
        literal = "'" + attack.replace("'", "''") + "'"
        assert statement.count(literal) == 1
        plain = statement.replace(literal, "''").upper()
        assert plain.startswith("SELECT AVG(DELAY)")
        assert not any(word in plain for word in (";", "DROP", "DELETE", " OR ", "--", "/*"))


@pytest.mark.parametrize(
    "name", ["delays", "", "DELAY", "delay; DROP TABLE flights", DELAYS, "x" * 10**6, None, []]
)
def test_unregistered_queries_reach_no_database(
    answers: Answers, traced: Traced, name: Any
) -> None:
    with pytest.raises(QueryError) as error:
        answers.ask(name, carrier="UA", first=1, last=2)
    assert "registered; there are: delay" in said(error)
    assert traced.statements == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM flights",
        "UPDATE flights SET delay = 0 WHERE month = :first",
        "INSERT INTO flights SELECT * FROM flights",
        "DROP TABLE flights",
        "SELECT count(*) FROM flights; DELETE FROM flights",
        "SELECT count(*) INTO copy FROM flights WHERE month = :first",
        "WITH gone AS (DELETE FROM flights RETURNING *) SELECT count(*) FROM gone",
        "ATTACH DATABASE 'x' AS y",
        "PRAGMA query_only = off",
        "VACUUM",
        "BEGIN",
        "EXPLAIN SELECT count(*) FROM flights",
        "",
        ";",
        "SELECT count(*) FROM flights WHERE carrier = '",
        "\ud800",
        "SELECT count(*) FROM \0",
        "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
    ],
    ids=lambda sql: ascii(sql[:24]),
)
def test_what_is_no_reading_statement_is_not_registered(
    answers: Answers, traced: Traced, sql: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        answers.register("odd", sql, {"first": int} if ":first" in sql else {})
    said(error)
    assert traced.statements == []
    with pytest.raises(QueryError):
        answers.ask("odd")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"confidence": math.nan}, "confidence must be"),
        ({"confidence": 1.0}, "confidence must be"),
        ({"confidence": 95}, "confidence must be"),
        ({"confidence": "95%"}, "confidence must be"),
        ({"confidence": None}, "confidence must be"),
        ({"tolerance": -1.0}, "absolute"),
        ({"tolerance": 0}, "absolute"),
        ({"tolerance": math.nan}, "absolute"),
        ({"tolerance": "2 minutes"}, "absolute"),
        ({"tolerance": True}, "absolute"),
    ],
)
def test_odd_tolerances_and_confidences_are_refused(
    answers: Answers, traced: Traced, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        answers.register("odd", DELAYS, TYPES, **options)
    assert told in said(error)
    if "tolerance" in options:
        with pytest.raises(ConfigurationError) as error:
            answers.ask("delay", tolerance=options["tolerance"], **GIVEN)
        assert told in said(error)
    assert traced.statements == []


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, "half", None])
def test_odd_shares_of_audits_are_refused(share: Any) -> None:
    with pytest.raises(ConfigurationError, match="audits must be a share") as error:
        Answers(audits=share)
    said(error)


@pytest.mark.parametrize("wrong", [int, 5, "int", list, dict[str, int], list[dict], None])  # type: ignore[type-arg]
def test_odd_types_of_parameters_are_refused(answers: Answers, wrong: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        answers.register("odd", DELAYS, {**TYPES, "carrier": wrong} if wrong is not int else {})
    said(error)


def test_huge_lists_end_in_a_line(answers: Answers, traced: Traced) -> None:
    answers.register(
        "several",
        "SELECT count(*) FROM flights WHERE month IN :months",
        {"months": Parameter(int, several=True)},
    )
    assert answers.ask("several", months=[1, 2, 2, 1]).value == 2
    with pytest.raises(QueryError) as empty:
        answers.ask("several", months=[])
    said(empty)
    with pytest.raises((QueryError, SourceError)) as error:
        answers.ask("several", months=range(1_000_000))
    said(error)
    with pytest.raises((QueryError, SourceError)) as error:
        answers.ask("several", months=list(range(1_000_000)))
    said(error)


def test_a_table_that_disappeared_is_told_and_comes_back(answers: Answers, traced: Traced) -> None:
    assert answers.ask("delay", **GIVEN).value == 1.5
    with sqlite3.connect(traced.path) as connection:
        connection.execute("ALTER TABLE flights RENAME TO gone")
    connection.close()
    assert answers.ask("delay", **GIVEN).origin == "cache"
    for exact in (False, True):
        with pytest.raises(SourceError) as error:
            answers.ask("delay", exact=exact, carrier="UA", first=3, last=4)
        assert "no such table: flights" in said(error)
    with sqlite3.connect(traced.path) as connection:
        connection.execute("ALTER TABLE gone RENAME TO flights")
    connection.close()
    assert answers.ask("delay", carrier="UA", first=3, last=4).value == 3.5


def test_a_function_that_fails_is_told() -> None:
    def broken(*, x: int) -> float:
        raise ZeroDivisionError("no such x")

    with Answers() as answers:
        answers.register("broken", broken, {"x": int}, tolerance=Tolerance(relative=0.1))
        with pytest.raises(Exception, match="no such x"):
            answers.ask("broken", x=1)
