"""Rows of SQLite as a source; tests/unit/test_sources_postgres.py has a real server."""

import asyncio
import builtins
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, column, create_engine, select, table, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from augury.errors import AuguryError, ConfigurationError, MissingExtraError
from augury.sources import SQL, Resilient, may_pass

ROWS = {n: {"id": n, "name": f"user {n}", "age": 20 + n} for n in range(1, 8)}


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'file.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, age INT)"))
        connection.execute(
            text("CREATE TABLE seats (row TEXT, n INT, who TEXT, PRIMARY KEY(row, n))")
        )
        connection.execute(text("INSERT INTO users VALUES (:id, :name, :age)"), [*ROWS.values()])
        connection.execute(
            text("INSERT INTO seats VALUES ('A', 1, 'Ada'), ('A', 2, 'Bob'), ('B', 1, NULL)")
        )
    engine.dispose()
    return url


def test_a_query_of_many_keys(url: str) -> None:
    with SQL[int, Any](
        url, "SELECT id, name, age FROM users WHERE id IN :keys", key="id"
    ) as source:
        assert source.load_many([1, 9, 3, 1]) == {1: ROWS[1], 3: ROWS[3]}
        assert asyncio.run(source.aload_many([2, 10])) == {2: ROWS[2]}
        assert source.load_many([]) == {}
        assert not source.writable
        with pytest.raises(ConfigurationError, match="is not writable"):
            source.store_many({1: {}})


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 500])
def test_chunks_are_bounded(url: str, chunk: int) -> None:
    with SQL[int, Any](url, table="users", key="id", chunk=chunk) as source:
        assert source.load_many(range(12)) == ROWS
        source.remove_many(range(12))
        assert source.load_many(range(12)) == {}


def test_a_value_is_a_dict_a_column_or_what_a_function_makes(url: str) -> None:
    query = "SELECT id, name, age FROM users WHERE id IN :keys"
    by_column = SQL[int, Any](url, query, key="id", row="name")
    by_function = SQL[int, Any](url, query, key="id", row=lambda row: (row["age"], row["name"]))
    chosen = SQL[int, Any](url, table="users", key="id", columns=["age"])
    with by_column, by_function, chosen:
        assert by_column.load_many([1]) == {1: "user 1"}
        assert by_function.load_many([1]) == {1: (21, "user 1")}
        found = chosen.load_many([1])
        assert found == {1: {"age": 21}}
        assert type(found[1]) is dict
        assert {type(name) for name in found[1]} == {str}


def test_a_statement_of_sqlalchemy(url: str) -> None:
    users = table("users", column("id"), column("name"))
    keys: Any = bindparam("keys", expanding=True)
    with SQL[int, Any](url, select(users).where(users.c.id.in_(keys)), key="id") as source:
        assert source.load_many([1, 9]) == {1: {"id": 1, "name": "user 1"}}


@pytest.mark.parametrize(
    "form",
    [
        {"table": "seats"},
        {"statement": "SELECT row, n, who FROM seats WHERE (row, n) IN :keys"},
    ],
)
def test_composite_keys(url: str, form: dict[str, Any]) -> None:
    with SQL[tuple[str, int], Any](url, **form, key=("row", "n"), row="who", chunk=2) as source:
        keys = [("A", 1), ("A", 2), ("B", 1), ("B", 2)]
        assert source.load_many(keys) == {("A", 1): "Ada", ("A", 2): "Bob", ("B", 1): None}
        with pytest.raises(ConfigurationError, match=r"must be a tuple of row, n, not 'A'"):
            source.load_many(["A"])  # type: ignore[list-item]
        if source.writable:
            source.store_many({("A", 1): "Eve", ("C", 9): "Cy"})
            source.remove_many([("A", 2), ("Z", 0)])
            assert source.load_many([*keys, ("C", 9)]) == {
                ("A", 1): "Eve",
                ("B", 1): None,
                ("C", 9): "Cy",
            }


def test_writes_are_upserts_and_deletions(url: str) -> None:
    with SQL[int, Any](url, table="users", key="id") as source:
        assert source.writable
        new = {1: {"id": 1, "name": "Ada", "age": 36}, 9: {"id": 9, "name": None, "age": 0}}
        source.store_many(new)
        source.store_many({})
        assert source.load_many([1, 2, 9]) == {**new, 2: ROWS[2]}
        source.remove_many([2, 77])
        assert source.load_many([1, 2, 9]) == new
        asyncio.run(source.astore_many({2: ROWS[2]}))
        asyncio.run(source.aremove_many([1, 9]))
        assert source.load_many([1, 2, 9]) == {2: ROWS[2]}


def test_a_write_of_several_rows_is_all_or_none(url: str) -> None:
    with SQL[int, Any](url, table="users", key="id") as source:
        with pytest.raises(ConfigurationError, match="its value must be a dict of id, name, age"):
            source.store_many({1: {**ROWS[1], "name": "new"}, 2: {"id": 2}})
        assert source.load_many([1]) == {1: ROWS[1]}


def test_values_are_never_part_of_the_text(url: str) -> None:
    evil = "x'); DROP TABLE users; --"
    with SQL[str, Any](url, table="users", key="name", columns=["name", "id"]) as source:
        assert source.load_many([evil, "user 1"]) == {"user 1": {"name": "user 1", "id": 1}}
    with SQL[int, Any](url, table="users", key="id", row="name") as source:
        source.store_many({1: evil})
        assert source.load_many([1, 2]) == {1: evil, 2: "user 2"}


def test_read_only_is_enforced_by_the_database(url: str) -> None:
    with SQL[int, Any](url, table="users", key="id", read_only=True) as source:
        assert not source.writable
        assert source.load_many([1]) == {1: ROWS[1]}
        with pytest.raises(ConfigurationError, match="is not writable"):
            source.store_many({1: ROWS[1]})
    query = "DELETE FROM users WHERE id IN :keys RETURNING id"
    source = SQL[int, Any](url, query, key="id", read_only=True)
    with source, pytest.raises(OperationalError, match="readonly"):
        source.load_many([1])


def test_a_given_engine_stays_open(url: str) -> None:
    engine = create_engine(url)
    with SQL[int, Any](engine, table="users", key="id") as source:
        source.load_many([1])
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    engine.dispose()


def test_a_locked_database_is_tried_again(url: str) -> None:
    tries = []
    with SQL[int, Any](url, table="users", key="id", row="name", timeout=0.001) as source:
        source.load_many([1])
        engine = create_engine(url)
        blocking = engine.connect()
        blocking.execute(text("BEGIN IMMEDIATE"))

        def release(error: Exception) -> bool:
            tries.append(error)
            blocking.rollback()
            blocking.close()
            engine.dispose()

            return may_pass(error)

        Resilient(source, retry=release, timeout=60).store_many({1: "new"})
        assert source.load_many([1]) == {1: "new"}
    assert tries
    assert isinstance(tries[0], OperationalError)


def test_a_mistake_in_sql_is_not_tried_again(url: str) -> None:
    with SQL[int, Any](url, "SELECT id FROM nowhere WHERE id IN :keys", key="id") as source:
        with pytest.raises(OperationalError, match="no such table") as caught:
            Resilient(source, timeout=60).load_many([1])
        assert not may_pass(caught.value)


def test_a_pool_that_is_used_up_is_tried_again(url: str) -> None:
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    source = SQL[int, Any](engine, table="users", key="id")
    with engine.connect(), pytest.raises(PoolTimeout) as caught:
        source.load_many([1])
    assert may_pass(caught.value)
    assert source.load_many([1]) == {1: ROWS[1]}
    engine.dispose()


def test_a_forked_child_has_connections_of_its_own(url: str) -> None:
    with SQL[int, Any](url, table="users", key="id") as source:
        source.load_many([1])
        parents = source._engine.pool
        pid = os.fork()
        if pid == 0:
            ok = False
            try:
                ok = source._engine.pool is not parents and source.load_many([2]) == {2: ROWS[2]}
            finally:
                os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert source._engine.pool is parents


def load_one(**arguments: Any) -> None:
    with SQL[int, Any](**arguments) as source:
        source.load_many([1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either a statement or a table"),
        ({"statement": "SELECT 1", "table": "users"}, "give either a statement or a table"),
        ({"statement": "SELECT id FROM users"}, "the statement has no parameter :keys"),
        ({"statement": "SELECT 1::keys"}, "the statement has no parameter :keys"),
        ({"statement": "SELECT :keys", "columns": ["id"]}, "schema and columns go with a table"),
        ({"table": "users", "key": ()}, "key must be a column or a tuple of columns"),
        ({"table": "users", "columns": "id"}, "columns must be a list of names, not 'id'"),
        ({"table": "users", "chunk": 0}, "chunk must be a positive integer"),
        ({"table": "users", "timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"table": "users", "row": 5}, "row must be a column or a function"),
        ({"table": "nowhere"}, "the database has no table 'nowhere'"),
        ({"table": "users", "key": "uid"}, "has no column 'uid'; it has id, name, age"),
        ({"table": "users", "columns": ["x"]}, "table 'users' has no column 'x'"),
        ({"table": "users; DROP TABLE users"}, "the database has no table"),
        (
            {"statement": "SELECT name FROM users WHERE id IN :keys"},
            "returned no column 'id', only name",
        ),
        (
            {"statement": "SELECT id, name FROM users WHERE id IN :keys", "row": "age"},
            "returned no column 'age', only id, name",
        ),
        (
            {"statement": "SELECT id, name, age AS name FROM users WHERE id IN :keys"},
            "returned two columns 'name'",
        ),
        (
            {"statement": "SELECT id + 1 AS id FROM users WHERE id IN :keys"},
            "returned the key 2, which was not asked for",
        ),
        (
            {"statement": "SELECT 1 AS id FROM users WHERE id NOT IN :keys"},
            "returned more than one row for 1",
        ),
        ({"database": "nonsense", "table": "users"}, "the database is no URL such as"),
        ({"database": "nosuch://u:secret@h/d", "table": "users"}, "knows no database 'nosuch'"),
        ({"database": 5, "table": "users"}, "database must be a URL or an engine, not 5"),
    ],
)
def test_mistakes_are_told_in_one_line(url: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AuguryError, match=message) as caught:
        load_one(**{"database": url, "key": "id", **arguments})
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_inside_a_value_must_be_its_key(url: str) -> None:
    source = SQL[int, Any](url, table="users", key="id")
    with source, pytest.raises(ConfigurationError, match="store 2: its value has another key"):
        source.store_many({2: ROWS[1]})


def test_options_of_connections_go_with_a_url(url: str) -> None:
    engine = create_engine(url)
    with pytest.raises(ConfigurationError, match="read_only and timeout go with a URL"):
        SQL[int, Any](engine, table="users", key="id", timeout=1)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "sqlalchemy":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"SQLAlchemy is not installed.*augury\[sql\]"):
        SQL[int, Any]("sqlite://", table="users", key="id")


def test_passwords_are_not_shown() -> None:
    source = SQL[int, Any]("postgresql://me:secret@127.0.0.1:1/db", table="users", key="id")
    assert "secret" not in repr(source)
    assert "postgresql+psycopg://me:***@127.0.0.1:1/db" in repr(source)
