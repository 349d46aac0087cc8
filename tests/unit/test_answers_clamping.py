"""What private statements sum up, in real databases: bounded integers of whatever there is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlglot")
pytest.importorskip("sqlalchemy")

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from augury.answers.database import Database
from augury.answers.privacy.clamping import Grid, private_statement
from augury.answers.privacy.policy import Privacy
from augury.answers.statement import read_statement
from tests.servers.postgres import Postgres, postgres

VALUES = [0.0, -0.0, 1.0, -1.0, 59.999, 60.0, 60.001, 1e300, -1e300, 7.25, 0.1, None, 33.333]
ODD = [math.nan, math.inf, -math.inf]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("psycopg")
    with postgres() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "duckdb", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{folder}/visits.sqlite")
    elif request.param == "duckdb":
        pytest.importorskip("duckdb_engine")
        made = create_engine(f"duckdb:///{folder}/visits.duckdb", poolclass=NullPool)
    else:
        made = create_engine(request.getfixturevalue("server").url)
    with made.begin() as connection:
        for table, kind, values in (
            ("floats", "DOUBLE PRECISION", VALUES),
            ("odd", "DOUBLE PRECISION", [each for each in ODD if not _null(made, each)]),
            ("whole", "INTEGER", [0, 1, 59, 60, 61, 2**31 - 1, -(2**31), None]),
            ("exact", "NUMERIC(12, 3)", [0.1, 59.999, 123456789.125, -5.5, None]),
        ):
            connection.execute(text(f"CREATE TABLE {table} (x {kind})"))
            insert = text(f"INSERT INTO {table} VALUES (:x)")
            connection.execute(insert, [{"x": each} for each in values])
    yield made
    made.dispose()


def _null(engine: Engine, value: float) -> bool:
    """Return whether a database has no such value: SQLite stores NULL for NaN."""
    return engine.dialect.name == "sqlite" and math.isnan(value)


def executed(engine: Engine, sql: str, bounds: tuple[float, float]) -> tuple[tuple[Any, ...], Grid]:
    dialect = engine.dialect.name
    privacy = Privacy(epsilon=1.0, bounds=bounds)
    statement = read_statement(sql, dialect)
    private = private_statement(sql, statement, dialect, privacy)
    (row,), _ = Database(engine).run("it", private, {})
    return row, Grid.of(bounds, centred=statement.kind == "avg")


@pytest.mark.parametrize("bounds", [(0.0, 60.0), (-10.5, 33.3), (-1e6, 1e6), (1e-6, 2e-6)])
@pytest.mark.parametrize("kind", ["sum", "avg"])
@pytest.mark.parametrize("table", ["floats", "whole", "exact"])
def test_sums_what_is_clamped_and_rounded(
    engine: Engine, table: str, kind: str, bounds: tuple[float, float]
) -> None:
    (count, steps), grid = executed(engine, f"SELECT {kind}(x) FROM {table}", bounds)
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT x FROM {table} WHERE x IS NOT NULL")).scalars()
        values = [min(max(float(each), bounds[0]), bounds[1]) for each in rows]
    wanted = [(Fraction(each) - Fraction(grid.centre)) / grid.step for each in values]
    assert count == len(values)
    assert steps == int(steps)
    # Each is rounded to a whole step.
    assert abs(Fraction(int(steps)) - sum(wanted, Fraction(0))) <= len(values)
    assert all(abs(each) <= grid.most for each in wanted)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("kind", ["sum", "avg"])
def test_no_value_adds_more_than_a_bound(engine: Engine, kind: str, value: float) -> None:
    if _null(engine, value):
        pytest.skip("SQLite has no NaN")
    cast = {math.nan: "NaN", math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if engine.dialect.name == "sqlite":
        where = "x > 1e308" if value > 0 else "x < -1e308"
    else:
        where = f"x = CAST('{cast}' AS DOUBLE PRECISION)"
    (count, steps), grid = executed(engine, f"SELECT {kind}(x) FROM odd WHERE {where}", (0.0, 60.0))
    assert count == 1
    assert abs(steps) <= grid.most


def test_texts_in_a_column_of_numbers_count_as_a_bound(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'odd'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE odd (x REAL)"))
        connection.execute(text("INSERT INTO odd VALUES ('a'), (x'00'), ('1e999')"))
    (count, steps), grid = executed(engine, "SELECT sum(x) FROM odd", (0.0, 60.0))
    assert (count, steps) == (3, 3 * grid.most)


@pytest.mark.parametrize(
    "bounds", [(0.0, 60.0), (-10.5, 33.3), (0.1, 0.3), (-1e15, 1e15), (1e-200, 2e-200), (5, 6)]
)
@pytest.mark.parametrize("centred", [False, True])
def test_bounds_are_within_so_many_steps(bounds: tuple[float, float], centred: bool) -> None:
    grid = Grid.of(bounds, centred=centred)
    assert 2**20 <= grid.most <= 2**21 + 1
    for edge in bounds:
        assert abs(Fraction(edge) - Fraction(grid.centre)) / grid.step <= grid.most
