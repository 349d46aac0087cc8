"""Texts with literals: which registered statement they are, and that nothing else is executed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import StaticPool, create_engine, event, text

from augury.answers import Answers, Parameter
from augury.answers.matching import Matching
from augury.errors import QueryError

REGISTERED: dict[str, tuple[str, dict[str, Any]]] = {
    "delay": (
        "SELECT avg(delay) FROM flights WHERE month BETWEEN :first AND :last AND origin = :origin",
        {"first": int, "last": int, "origin": str},
    ),
    "ua": (
        "SELECT count(*) FROM flights WHERE carrier = 'UA' AND month = :month",
        {"month": int},
    ),
    "several": (
        "SELECT sum(delay) FROM flights WHERE origin IN :origins AND NOT delay < :least",
        {"origins": list[str], "least": float},
    ),
    "groups": (
        "SELECT origin, count(*) AS n FROM flights WHERE day >= :day GROUP BY origin",
        {"day": date},
    ),
    "moment": ("SELECT count(*) FROM flights WHERE at >= :at", {"at": datetime}),
    "flag": ("SELECT count(*) FROM flights WHERE late = :late", {"late": bool}),
    "twice": ("SELECT count(*) FROM flights WHERE month = :m OR hour = :m", {"m": int}),
    "joined": (
        "SELECT count(*) FROM flights f JOIN carriers c ON f.carrier = c.code WHERE c.name = :name",
        {"name": str},
    ),
    "last": (
        "SELECT delay FROM flights WHERE month = :m ORDER BY delay DESC LIMIT 1",
        {"m": int},
    ),
}


@pytest.fixture(scope="module")
def matching() -> Matching:
    made = Matching("postgresql")
    for name, (sql, types) in REGISTERED.items():
        made.add(name, sql, {each: Parameter.of(kind) for each, kind in types.items()})
    return made


DELAY = ("delay", {"first": 1, "last": 3, "origin": "JFK"})
FOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "SELECT avg(delay) FROM flights WHERE month BETWEEN 1 AND 3 AND origin = 'JFK'": DELAY,
    "select AVG(f.Delay) as x from Flights f where 'JFK' = f.origin and (f.month >= 1) "
    "and 3 >= f.month -- x": DELAY,
    "SELECT avg(delay) FROM flights WHERE ((month<=3 AND origin='JFK') AND 1<=month);": DELAY,
    "SELECT avg(delay) FROM flights WHERE month BETWEEN -3 AND 3 AND origin = 'O''Hare; --'": (
        "delay",
        {"first": -3, "last": 3, "origin": "O'Hare; --"},
    ),
    "SELECT count(1) FROM flights": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5 AND carrier = 'UA'": ("ua", {"month": 5}),
    "SELECT count(*) FROM flights WHERE month = 5 AND carrier = 'AA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5 AND carrier = 'UA' AND hour = 1": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5 OR carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = '5' AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5.5 AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = NULL AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 2 + 3 AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = :month AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month > 5 AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM other WHERE month = 5 AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM public.flights WHERE month = 5 AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM \"Flights\" WHERE month = 5 AND carrier = 'UA'": ("", {}),
    "SELECT count(DISTINCT month) FROM flights WHERE month = 5 AND carrier = 'UA'": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5 AND carrier = 'UA' LIMIT 0": ("", {}),
    "SELECT count(*) FROM flights WHERE month = 5 AND carrier = 'UA'; DROP TABLE flights": ("", {}),
    "SELECT sum(delay) FROM flights WHERE NOT delay < 2.5 AND origin IN ('JFK', 'LGA')": (
        "several",
        {"origins": ["JFK", "LGA"], "least": 2.5},
    ),
    "SELECT sum(delay) FROM flights WHERE NOT delay < 2 AND origin IN ('JFK')": (
        "several",
        {"origins": ["JFK"], "least": 2.0},
    ),
    "SELECT sum(delay) FROM flights WHERE NOT delay < 2 AND origin IN (SELECT 'JFK')": ("", {}),
    "SELECT origin, count(*) FROM flights WHERE day >= DATE '2013-02-03' GROUP BY origin": (
        "groups",
        {"day": date(2013, 2, 3)},
    ),
    "SELECT origin, count(*) FROM flights WHERE '2013-02-03' <= day GROUP BY origin": (
        "groups",
        {"day": date(2013, 2, 3)},
    ),
    "SELECT origin, count(*) FROM flights WHERE day >= '2013-02-31' GROUP BY origin": ("", {}),
    "SELECT carrier, count(*) FROM flights WHERE day >= '2013-02-03' GROUP BY carrier": ("", {}),
    "SELECT count(*) FROM flights WHERE at >= TIMESTAMP '2013-02-03 04:05:06'": (
        "moment",
        {"at": datetime(2013, 2, 3, 4, 5, 6)},
    ),
    "SELECT count(*) FROM flights WHERE late = TRUE": ("flag", {"late": True}),
    "SELECT count(*) FROM flights WHERE month = 3 OR hour = 3": ("twice", {"m": 3}),
    "SELECT count(*) FROM flights WHERE month = 3 OR hour = 4": ("", {}),
    "SELECT count(*) FROM flights f JOIN carriers c ON f.carrier = c.code "
    "WHERE 'United' = c.name": ("joined", {"name": "United"}),
    "SELECT count(*) FROM flights f JOIN carriers c ON f.carrier <> c.code "
    "WHERE 'United' = c.name": ("", {}),
    "SELECT delay FROM flights WHERE month = 3 ORDER BY delay DESC LIMIT 1": ("last", {"m": 3}),
    "SELECT delay FROM flights WHERE month = 3 ORDER BY delay DESC LIMIT 2": ("", {}),
    "SELECT delay FROM flights WHERE month = 3 ORDER BY delay LIMIT 1": ("", {}),
    "DROP TABLE flights": ("", {}),
    "SELECT (": ("", {}),
    "": ("", {}),
}


@pytest.mark.parametrize("sql", FOUND)
def test_finds_what_is_the_same(matching: Matching, sql: str) -> None:
    name, values = FOUND[sql]
    if name:
        found = matching.find(sql)
        assert found == (name, values)
        assert [type(each) for each in found[1].values()] == [type(e) for e in values.values()]
    else:
        with pytest.raises(QueryError):
            matching.find(sql)


@given(st.text(min_size=1).filter(lambda given: "\0" not in given), st.integers(0, 2**50))
def test_any_value_comes_back(value: str, number: int) -> None:
    matching = Matching("sqlite")
    kinds = {"a": Parameter(str), "b": Parameter(int)}
    matching.add("it", "SELECT count(*) FROM t WHERE x = :a AND y < :b", kinds)
    quoted = value.replace("'", "''")
    sql = f"SELECT count(*) FROM t WHERE {number} > y AND '{quoted}' = x"
    assert matching.find(sql) == ("it", {"a": value, "b": number})


def test_many_conditions_of_one_kind_end() -> None:
    names = [f"p{n}" for n in range(12)]
    where = " AND ".join(f"x <> :{name}" for name in names)
    matching = Matching("sqlite")
    sql = f"SELECT max(x) FROM t WHERE {where} AND x <> 1"
    matching.add("it", sql, dict.fromkeys(names, Parameter(int)))
    with pytest.raises(QueryError):
        matching.find(
            "SELECT max(x) FROM t WHERE " + " AND ".join(f"x <> {n}" for n in range(20, 33))
        )


def test_only_registered_statements_are_executed() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE flights (month INTEGER, delay REAL)"))
        connection.execute(text("INSERT INTO flights VALUES (1, 4), (2, 8)"))
    executed: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: executed.append(given[2]))
    answers = Answers(engine)
    with pytest.raises(QueryError, match="no query that is SQL"):
        answers.sql("SELECT avg(delay) FROM flights WHERE month = 1")
    answers.register("it", "SELECT avg(delay) FROM flights WHERE month = :month", {"month": int})
    for sql in ("SELECT avg(delay) FROM flights", "DELETE FROM flights", "SELECT 1", "garbage ("):
        with pytest.raises(QueryError):
            answers.sql(sql)
    assert executed == []
    one = "SELECT avg(delay) FROM flights WHERE month = 1"
    assert answers.sql(one).value == 4.0
    assert [answers.sql(one).origin, answers.ask("it", month=1).origin] == ["cache", "cache"]
    assert len(executed) == 1
    assert answers.sql("SELECT AVG(delay) AS d FROM flights f WHERE 2 = f.month").value == 8.0
