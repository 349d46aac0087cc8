"""Statements on SQLite, DuckDB and PostgreSQL: rewritten, they return what users' own do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from sqlalchemy import Engine, NullPool, bindparam, create_engine, text

from augury.answers import Answers
from augury.answers.statement import read_statement
from augury.errors import ConfigurationError, QueryError, SourceError
from tests.servers.postgres import Postgres, postgres

ROWS: list[dict[str, Any]] = [
    {
        "carrier": ("UA", "AA", "B6", None)[n % 4],
        "origin": ("JFK", "LGA", "E:R'\\")[n % 3],
        "month": n % 12 + 1,
        "delay": None if n % 7 == 0 else (n * 37 % 101) / 4 - 5,
        "seats": n * 10**15 if n % 5 else None,
    }
    for n in range(200)
]
COLUMNS = "carrier TEXT, origin TEXT, month INTEGER, delay DOUBLE PRECISION, seats BIGINT"
RANGE = "month BETWEEN :first AND :last"
HALF = {"first": int, "last": int}
SPRING: dict[str, Any] = {"first": 3, "last": 5}

SAME: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "count": (f"SELECT count(*) FROM flights WHERE {RANGE}", HALF, SPRING),
    "count of a text": (f"SELECT count(carrier) FROM flights WHERE {RANGE}", HALF, SPRING),
    "average": (f"SELECT avg(delay) AS mean FROM flights AS f WHERE f.{RANGE}", HALF, SPRING),
    "sum of an expression": (
        f"SELECT sum(delay * 2 + month) FROM flights WHERE {RANGE}",
        HALF,
        SPRING,
    ),
    "average of large numbers": (f"SELECT avg(seats) FROM flights WHERE {RANGE}", HALF, SPRING),
    "nothing": (f"SELECT sum(delay) FROM flights WHERE {RANGE}", HALF, {"first": 5, "last": 3}),
    "strict": (
        "SELECT count(*) FROM flights WHERE month > :first AND :last > month",
        HALF,
        SPRING,
    ),
    "a constant beside": (
        f"SELECT avg(delay) FROM flights WHERE {RANGE} AND carrier = 'UA' AND NOT origin = 'JFK'",
        HALF,
        SPRING,
    ),
    "colons and quotes": (
        f"SELECT count(*) FROM flights WHERE origin = 'E:R''\\' AND {RANGE} AND origin <> ':a::b'",
        HALF,
        SPRING,
    ),
    "percent": (
        f"SELECT count(*) FROM flights WHERE origin LIKE '%F%' AND month % 2 = 1 AND {RANGE}",
        HALF,
        SPRING,
    ),
    "names in quotes": (
        f'SELECT avg("delay") FROM "flights" AS "a:b" WHERE "a:b".{RANGE}',
        HALF,
        SPRING,
    ),
    "or": (
        "SELECT count(*) FROM flights WHERE month <= :first OR month >= :last",
        HALF,
        SPRING,
    ),
    "not": (f"SELECT count(*) FROM flights WHERE NOT ({RANGE})", HALF, SPRING),
    "having": (
        f"SELECT carrier, count(*) AS n FROM flights WHERE {RANGE} GROUP BY carrier "
        "HAVING count(*) > 12 ORDER BY n DESC, carrier",
        HALF,
        SPRING,
    ),
    "distinct": (f"SELECT count(DISTINCT origin) FROM flights WHERE {RANGE}", HALF, SPRING),
    "limit": (
        f"SELECT delay FROM flights WHERE {RANGE} AND delay IS NOT NULL "
        "ORDER BY delay DESC LIMIT 1",
        HALF,
        SPRING,
    ),
    "with": (
        f"WITH late AS (SELECT * FROM flights WHERE delay > 0) "
        f"SELECT count(*) FROM late WHERE {RANGE}",
        HALF,
        SPRING,
    ),
    "a union within": (
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM flights WHERE month = :first UNION ALL "
        "SELECT count(*) AS n FROM flights WHERE month = :last) AS both_of",
        HALF,
        SPRING,
    ),
    "a subquery with parameters": (
        "SELECT avg(delay) FROM flights WHERE month >= :first AND delay > "
        "(SELECT avg(delay) FROM flights WHERE month <= :last)",
        HALF,
        SPRING,
    ),
    "a subquery without": (
        f"SELECT count(*) FROM flights WHERE {RANGE} AND delay > (SELECT avg(delay) FROM flights)",
        HALF,
        SPRING,
    ),
    "a window": (
        f"SELECT max(total) FROM (SELECT sum(delay) OVER (PARTITION BY carrier) AS total "
        f"FROM flights WHERE {RANGE}) AS totals",
        HALF,
        SPRING,
    ),
    "a join": (
        "SELECT avg(f.delay) FROM flights f JOIN carriers c ON f.carrier = c.code "
        "WHERE c.name = :company AND f.month >= :first",
        {"company": str, "first": int},
        {"company": "United", "first": 2},
    ),
    "a left join": (
        "SELECT count(c.code) FROM flights f LEFT JOIN carriers c ON f.carrier = c.code "
        f"WHERE f.{RANGE}",
        HALF,
        SPRING,
    ),
    "a parameter in the join": (
        "SELECT count(c.code) FROM flights f LEFT JOIN carriers c ON f.carrier = c.code "
        f"AND c.name = :company WHERE f.{RANGE}",
        {"company": str, **HALF},
        {"company": "United", **SPRING},
    ),
    "groups": (
        f"SELECT carrier, origin, sum(delay) FROM flights WHERE {RANGE} GROUP BY carrier, origin",
        HALF,
        SPRING,
    ),
    "the value first": (
        f"SELECT count(*) AS n, carrier FROM flights WHERE {RANGE} GROUP BY carrier "
        "ORDER BY 1 DESC, carrier",
        HALF,
        SPRING,
    ),
    "a group by its number": (
        f"SELECT origin, avg(delay) FROM flights WHERE {RANGE} GROUP BY 1 ORDER BY 1",
        HALF,
        SPRING,
    ),
    "a group by its alias": (
        f"SELECT month % 3 AS part, count(*) FROM flights WHERE {RANGE} GROUP BY part",
        HALF,
        SPRING,
    ),
    "a group that is chosen": (
        f"SELECT month, count(*) FROM flights WHERE {RANGE} GROUP BY month",
        HALF,
        SPRING,
    ),
    "a list": (
        "SELECT avg(delay) FROM flights WHERE origin IN :origins AND month IN (:months)",
        {"origins": list[str], "months": list[int]},
        {"origins": ["JFK", "E:R'\\"], "months": [1, 2, 3]},
    ),
    "not in a list": (
        "SELECT count(*) FROM flights WHERE origin NOT IN :origins",
        {"origins": list[str]},
        {"origins": ["JFK"]},
    ),
    "a cast": (
        "SELECT count(*) FROM flights WHERE month = CAST(:first AS INTEGER)",
        {"first": int},
        {"first": 2},
    ),
    "a parameter that is selected": (
        f"SELECT sum(delay * :factor) FROM flights WHERE {RANGE}",
        {"factor": float, **HALF},
        {"factor": 2.5, **SPRING},
    ),
    "comments": (
        f"SELECT count(*) /* :x */ FROM flights -- :y\n WHERE {RANGE}; -- z",
        HALF,
        SPRING,
    ),
    "a filter": (
        f"SELECT count(*) FILTER (WHERE delay > 0) FROM flights WHERE {RANGE}",
        HALF,
        SPRING,
    ),
    "a case": (
        f"SELECT sum(CASE WHEN delay > 15 THEN 1 ELSE 0 END) FROM flights WHERE {RANGE}",
        HALF,
        SPRING,
    ),
}
OF_POSTGRES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "any": (
        "SELECT avg(delay) FROM flights WHERE origin = ANY(:origins)",
        {"origins": list[str]},
        {"origins": ["JFK", "LGA"]},
    ),
    "casts with colons": (
        "SELECT count(*) FROM public.flights WHERE month::int = :first::int AND '1'::int = 1",
        {"first": int},
        {"first": 2},
    ),
    "an interval": (
        f"SELECT avg(month * interval '1 day') FROM flights WHERE {RANGE}",
        HALF,
        SPRING,
    ),
    "escapes": (
        f"SELECT count(*) FROM flights WHERE origin = E'E:R\\'\\\\' AND {RANGE}",
        HALF,
        SPRING,
    ),
    "slices": (
        f"SELECT count(*) FROM flights WHERE (ARRAY[1,2,3])[1:2] = ARRAY[1,2] AND {RANGE}",
        HALF,
        SPRING,
    ),
    "percentile": (
        f"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY delay) FROM flights WHERE {RANGE}",
        HALF,
        SPRING,
    ),
}


def filled(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE flights ({COLUMNS})"))
        connection.execute(text("CREATE TABLE carriers (code TEXT, name TEXT)"))
        connection.execute(text("INSERT INTO carriers VALUES ('UA', 'United'), ('AA', 'American')"))
        connection.execute(
            text("INSERT INTO flights VALUES (:carrier, :origin, :month, :delay, :seats)"), ROWS
        )
    return engine


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("psycopg")
    with postgres() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "duckdb", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{folder}/flights.sqlite")
    elif request.param == "duckdb":
        pytest.importorskip("duckdb_engine")
        made = create_engine(f"duckdb:///{folder}/flights.duckdb", poolclass=NullPool)
    else:
        made = create_engine(request.getfixturevalue("server").url)
    yield filled(made)
    made.dispose()


def own(engine: Engine, sql: str, types: dict[str, Any], values: dict[str, Any]) -> Any:
    """Return what the statement itself returns, as SQLAlchemy executes it."""
    plain = sql.replace("':a::b'", "'\\:a\\:\\:b'").replace("E:R", "E\\:R").replace("a:b", "a\\:b")
    plain = plain.replace("/* :x */", "").replace("-- :y", "").replace(":first::int", "2")
    plain = plain.replace("[1:2]", "[1\\:2]").replace("(:months)", ":months")
    listed = [n for n, kind in types.items() if kind not in (int, str, float)]
    clause = text(plain)
    if "ANY(" not in plain:
        clause = clause.bindparams(*(bindparam(name, expanding=True) for name in listed))
    used = {name: value for name, value in values.items() if f":{name}" in plain}
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(clause, used)]


def close(one: Any, other: Any) -> bool:
    if one is None or other is None or not hasattr(other, "__float__"):
        return bool(one == other)
    return math.isclose(float(one), float(other), rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize("name", [*SAME, *OF_POSTGRES])
def test_returns_what_the_statement_itself_returns(engine: Engine, name: str) -> None:
    if name in OF_POSTGRES and engine.dialect.name != "postgresql":
        pytest.skip("is PostgreSQL's own SQL")
    sql, types, values = (SAME | OF_POSTGRES)[name]
    wanted = own(engine, sql, types, values)
    answers = Answers(engine)
    answers.register("it", sql, types)
    statement = answers.query("it").statement
    found = answers.ask("it", **values).value
    if not statement.groups:
        assert close(found, wanted[0][0])
        return
    groups = [tuple(row[at] for at in statement.places) for row in wanted]
    names = [each if len(each) > 1 else each[0] for each in groups]
    if "ORDER BY" in sql:  # else they come as they come, each time anew
        assert list(found) == names
    assert found.keys() == set(names)
    assert all(
        close(found[name], row[statement.place]) for name, row in zip(names, wanted, strict=True)
    )


def test_what_adds_up_is_fetched_beside(engine: Engine) -> None:
    answers = Answers(engine)
    answers.register("it", f"SELECT avg(delay) FROM flights WHERE {RANGE}", HALF)
    answers.ask("it", **SPRING)
    family = answers.query("it").family
    examples = family.examples()
    inside = [row["delay"] for row in ROWS if 3 <= row["month"] <= 5]
    known = [each for each in inside if each is not None]
    assert {name: float(array[0]) for name, array in examples.measures.items()} == {
        "rows": len(inside),
        "count:delay": len(known),
        "sum:delay": pytest.approx(sum(known)),
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("month >= :a AND month <= :b", "month BETWEEN :a AND :b", True),
        ("month >= :a AND origin = :b", ":b = origin AND :a <= month", True),
        ("month = :a AND origin = 'JFK'", "'JFK' = origin AND month = :a", True),
        ("month = :a AND origin = 'JFK'", "month = :a AND origin = 'jfk'", False),
        ('month = :a AND origin = "JFK"', 'month = :a AND origin = "jfk"', False),
        ("month = :a AND hour = 1", "month = :a AND hour = 2", False),
        ("MONTH = :a", "month = :a", True),
        ("month = :a", "flights.month = :a", True),
        ("month IN :a", "month IN (:a)", True),
        ("month = :a AND (x = 1 OR y = 2)", "month = :a AND x = 1 OR y = 2", False),
    ],
)
def test_same_statements_have_the_same_family(one: str, other: str, same: bool) -> None:
    first = read_statement(f"SELECT count(*) FROM flights WHERE {one}", "sqlite")
    second = read_statement(f"SELECT count(*) FROM flights WHERE {other}", "sqlite")
    assert (first.family == second.family) is same


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT count(*) FROM Flights", {"flights"}),
        ("SELECT count(*) FROM main.Flights f", {"main.flights"}),
        ("WITH flights AS (SELECT * FROM flights) SELECT count(*) FROM flights", {"flights"}),
        ("SELECT count(*) FROM a, b WHERE a.x IN (SELECT x FROM c)", {"a", "b", "c"}),
    ],
)
def test_knows_the_tables(sql: str, tables: set[str]) -> None:
    assert read_statement(sql, "sqlite").tables == tables


@pytest.mark.parametrize(
    ("sql", "single"),
    [
        ("SELECT count(*) FROM flights WHERE month = :m", True),
        ("SELECT count(*) FROM flights, flights AS g WHERE g.month = :m", False),
        ("SELECT count(*) FROM flights f JOIN carriers c ON true WHERE f.month = :m", False),
        ("SELECT count(*) FROM flights WHERE month = :m AND x > (SELECT max(x) FROM z)", False),
        ("SELECT count(*) FROM (SELECT month FROM flights) f WHERE month = :m", False),
        ("SELECT max(x) FROM flights WHERE month = :m", False),
    ],
)
def test_knows_whether_each_row_counts_once(sql: str, single: bool) -> None:
    assert read_statement(sql, "sqlite").single is single


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nextval('ids')", "nextval, which does more than read"),
        ("SELECT count(*) FROM t WHERE x > setval('ids', 5)", "setval"),
        ("SELECT pg_catalog.pg_sleep(5)", "pg_sleep"),
        ("SELECT PG_SLEEP_FOR('5 min')", "PG_SLEEP_FOR"),
        ("SELECT a FROM dblink('x', 'DELETE FROM t') AS d(a int)", "dblink"),
        ("SELECT lo_import('/etc/passwd')", "lo_import"),
        ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
        ("SELECT query_to_xml('DELETE FROM t', true, true, '')", "query_to_xml"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "set_config"),
        ("SELECT pg_advisory_lock(1)", "pg_advisory_lock"),
        ("SELECT pg_terminate_backend(1)", "pg_terminate_backend"),
        ("SELECT count(*) FROM t WHERE day = current_date", "make it a parameter"),
        ("SELECT count(*) FROM t WHERE day > now() - interval '1 day'", "make it a parameter"),
        ("SELECT count(*) FROM t WHERE day = 'now'::date", "make it a parameter"),
        ("SELECT count(*) FROM t WHERE random() < 0.5", "make it a parameter"),
        ("SELECT count(*) FROM t TABLESAMPLE BERNOULLI (1)", "make it a parameter"),
        ("SELECT count(*) FROM t FOR UPDATE", "write or lock"),
        ("SELECT count(*) INTO new FROM t", "write or lock"),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT count(*) FROM d", "write or lock"),
        ("SELECT count(*) FROM a UNION SELECT 1", "only one SELECT"),
        ("VALUES (1)", "only one SELECT"),
        ("COPY t TO '/tmp/x'", "only one SELECT"),
        ("EXPLAIN ANALYZE SELECT 1", "only one SELECT"),
        ("SELECT 1; SELECT 2", "only one SELECT"),
        ("SELECT a, count(*) FROM t GROUP BY ROLLUP (a)", "grouped|groups"),
        ("SELECT a, b, count(*) FROM t GROUP BY a", "one value"),
        ("SELECT count(*) FROM t GROUP BY 2", "to be selected"),
        ("SELECT count(*) FROM t WHERE a = $1", "parameters have names"),
        ("SELECT count(*) FROM t WHERE a = '\0'", "SELECT|cannot be read"),
    ],
)
def test_refuses(sql: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_statement(sql, "postgresql")


ATTACKS = [
    "JFK' OR '1'='1",
    "JFK'; DROP TABLE flights; --",
    "JFK\\'; DROP TABLE flights; --",
    ":first",
    "%(first)s",
    "' UNION SELECT 1 --",
    "$1",
    "E:R'\\",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_values_stay_values(engine: Engine, attack: str) -> None:
    answers = Answers(engine)
    answers.register("one", "SELECT count(*) FROM flights WHERE origin = :o", {"o": str})
    answers.register("some", "SELECT count(*) FROM flights WHERE origin IN :o", {"o": list[str]})
    wanted = sum(row["origin"] == attack for row in ROWS)
    assert answers.ask("one", o=attack).value == wanted
    assert answers.ask("some", o=[attack, "x"]).value == wanted
    with suppress(QueryError):
        odd: dict[str, Any] = {"o = 1; DROP TABLE flights": attack}
        answers.ask("one", **odd)
    assert own(engine, "SELECT count(*) FROM flights", {}, {}) == [(len(ROWS),)]


def test_functions_that_write_cannot(engine: Engine) -> None:
    """An engine that was given is the user's, and may write; statements of queries may not."""
    called = []
    if engine.dialect.name == "sqlite":
        from sqlalchemy import event

        @event.listens_for(engine, "connect")
        def add(connection: Any, _: object) -> None:
            def mischief() -> int:
                called.append(1)
                connection.execute("DELETE FROM flights")
                return 1

            connection.create_function("mischief", 0, mischief)

        engine.dispose()
    elif engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE OR REPLACE FUNCTION mischief() RETURNS INTEGER LANGUAGE sql AS "
                    "'DELETE FROM flights; SELECT 1'"
                )
            )
    else:
        with engine.begin() as connection:
            connection.execute(text("CREATE SEQUENCE numbers"))
            connection.execute(text("CREATE MACRO mischief() AS nextval('numbers')"))
    answers = Answers(engine)
    answers.register("it", "SELECT mischief()", {})
    with pytest.raises(SourceError, match=r"read-only|user-defined function"):
        answers.ask("it")
    assert own(engine, "SELECT count(*) FROM flights", {}, {}) == [(len(ROWS),)]
    with engine.begin() as connection:  # the user's engine still writes
        connection.execute(text("INSERT INTO carriers VALUES ('ZZ', 'Z')"))
        connection.execute(text("DELETE FROM carriers WHERE code = 'ZZ'"))
    if engine.dialect.name == "sqlite":
        assert called


def test_a_connection_that_commits_by_itself_only_reads_either(server: Postgres) -> None:
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE victims (id INTEGER)"))
        connection.execute(
            text(
                "CREATE FUNCTION harm() RETURNS INTEGER LANGUAGE sql AS "
                "'INSERT INTO victims VALUES (1); SELECT 1'"
            )
        )
    answers = Answers(engine)
    answers.register("it", "SELECT harm()", {})
    with pytest.raises(SourceError, match="read-only"):
        answers.ask("it")
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO victims VALUES (2)"))
        assert connection.execute(text("SELECT id FROM victims")).scalars().all() == [2]
    engine.dispose()
