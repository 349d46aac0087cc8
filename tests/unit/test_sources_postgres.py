"""SQL on a real PostgreSQL: many keys, faults, both drivers' ways. Outcomes, never times."""

import asyncio
import datetime
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from augury.breaker import Breaker
from augury.errors import ConfigurationError, SourceError
from augury.sources import SQL, Coalesced, Resilient, Source, may_pass
from tests.servers.postgres import Postgres, postgres

LONG = 60.0

ROWS = {n: {"id": n, "name": f"user {n}", "age": 20 + n} for n in range(1, 2001)}


@pytest.fixture(scope="session")
def running() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def server(running: Postgres) -> Iterator[Postgres]:
    running.start()
    engine = create_engine(running.url)
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE IF EXISTS users, seats, kinds",
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)",
            "CREATE TABLE seats (row TEXT, n INTEGER, who TEXT, PRIMARY KEY (row, n))",
            "INSERT INTO users SELECT n, 'user ' || n, 20 + n FROM generate_series(1, 2000) n",
            "INSERT INTO seats VALUES ('A', 1, 'Ada'), ('A', 2, 'Bob'), ('B', 1, NULL)",
        ):
            connection.execute(text(statement))
    engine.dispose()
    yield running
    if running._process is not None:
        running.resume()


@pytest.mark.parametrize(
    "form",
    [
        {"table": "users"},
        {"statement": "SELECT id, name, age FROM users WHERE id IN :keys"},
        {"statement": "SELECT id, name, age FROM users WHERE id = ANY(:keys)"},
    ],
)
def test_many_keys(server: Postgres, form: dict[str, Any]) -> None:
    with SQL[int, Any](server.url, **form, key="id") as source:
        assert source.load_many(range(3000)) == ROWS
        assert source.load_many([5000]) == {}
        assert asyncio.run(source.aload_many([7, -7])) == {7: ROWS[7]}


@pytest.mark.parametrize(
    "form",
    [
        {"table": "seats"},
        {"statement": "SELECT row, n, who FROM seats WHERE (row, n) IN :keys"},
    ],
)
def test_composite_keys(server: Postgres, form: dict[str, Any]) -> None:
    with SQL[tuple[str, int], Any](server.url, **form, key=("row", "n"), row="who") as source:
        keys = [("A", 1), ("A", 2), ("B", 1), ("B", 2)]
        assert source.load_many(keys) == {("A", 1): "Ada", ("A", 2): "Bob", ("B", 1): None}
        if source.writable:
            source.store_many({("A", 1): "Eve", ("C", 9): "Cy"})
            source.remove_many([("A", 2)])
            assert source.load_many(keys) == {("A", 1): "Eve", ("B", 1): None}


def test_upserts_and_deletions(server: Postgres) -> None:
    with SQL[int, Any](server.url, table="users", key="id") as source:
        new = {n: {"id": n, "name": f"new {n}", "age": None} for n in range(1990, 3000)}
        source.store_many(new)
        assert source.load_many(range(1989, 3001)) == {1989: ROWS[1989], **new}
        source.remove_many(range(5, 5000))
        assert source.load_many(range(5000)) == {n: ROWS[n] for n in range(1, 5)}


def test_values_are_plain(server: Postgres) -> None:
    engine = create_engine(server.url)
    key = uuid.uuid4()
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE kinds (id UUID PRIMARY KEY, price NUMERIC(9, 2), seen TIMESTAMPTZ, "
                "body BYTEA, tags TEXT[], more JSONB, ok BOOLEAN, part REAL)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO kinds VALUES (:key, 1.50, '2026-01-02 03:04:05+00', '\\x00ff', "
                "'{a,b}', '{\"x\": [1, null]}', true, 0.5)"
            ),
            {"key": key},
        )
    engine.dispose()
    with SQL[uuid.UUID, Any](server.url, table="kinds", key="id") as source:
        found = source.load_many([key, uuid.uuid4()])[key]
        assert found == {
            "id": key,
            "price": Decimal("1.50"),
            "seen": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
            "body": b"\x00\xff",
            "tags": ["a", "b"],
            "more": {"x": [1, None]},
            "ok": True,
            "part": 0.5,
        }
        kinds = [type(value).__name__ for value in found.values()]
        assert kinds == ["UUID", "Decimal", "datetime", "bytes", "list", "dict", "bool", "float"]
        assert {type(name) for name in found} == {str}
        source.store_many({key: {**found, "tags": [], "more": {"x": 2}}})
        assert source.load_many([key])[key]["more"] == {"x": 2}


def test_an_async_engine_is_used_by_coroutines(server: Postgres) -> None:
    engine = create_async_engine(server.url)
    source = SQL[int, Any](engine, table="users", key="id")

    async def use() -> None:
        assert source.asynchronous
        assert source.writable
        found = await asyncio.gather(*(source.aload_many([n, -n]) for n in range(1, 30)))
        assert found == [{n: ROWS[n]} for n in range(1, 30)]
        await source.astore_many({1: {**ROWS[1], "name": "new"}})
        await source.aremove_many([2])
        assert await source.aload_many([1, 2]) == {1: {**ROWS[1], "name": "new"}}
        with pytest.raises(ConfigurationError, match="AsyncEngine, which is for coroutines"):
            source.load_many([1])
        await source.aclose()
        await engine.dispose()

    asyncio.run(use())


def test_statements_that_take_too_long_are_ended_by_the_server(server: Postgres) -> None:
    slow = "SELECT id, pg_sleep(60) FROM users WHERE id IN :keys"
    source = SQL[int, Any](server.url, slow, key="id", timeout=0.05)
    with source, pytest.raises(OperationalError, match="statement timeout") as caught:
        source.load_many([1])
    assert may_pass(caught.value)


def test_read_only_is_enforced_by_the_server(server: Postgres) -> None:
    delete = "DELETE FROM users WHERE id IN :keys RETURNING id"
    with SQL[int, Any](server.url, delete, key="id", read_only=True) as source:
        with pytest.raises(DBAPIError, match="read-only transaction"):
            source.load_many([1])
        assert not source.writable
    with SQL[int, Any](server.url, delete, key="id") as source:
        assert source.load_many([1]) == {1: {"id": 1}}


def test_a_server_that_was_killed_and_restarted_is_reached_again(server: Postgres) -> None:
    errors: list[Exception] = []

    def passes(error: Exception) -> bool:
        errors.append(error)
        return may_pass(error)

    with SQL[int, Any](server.url, table="users", key="id") as inner:
        source = Resilient(inner, timeout=LONG, attempts=50, retry=passes)
        assert source.load_many([1]) == {1: ROWS[1]}
        server.kill()
        restart = threading.Timer(0.2, server.start)
        restart.start()
        assert source.load_many([1, 2]) == {1: ROWS[1], 2: ROWS[2]}
        restart.join()
        server.kill()
        server.start()
        source.store_many({1: ROWS[2] | {"id": 1}})
        assert source.load_many([1]) == {1: ROWS[2] | {"id": 1}}
    assert errors
    assert all(isinstance(error, OperationalError) for error in errors)


def test_a_server_that_is_down_opens_the_breaker(server: Postgres) -> None:
    with SQL[int, Any](server.url, table="users", key="id") as inner:
        breaker = Breaker(failures=3, rest=3600)
        source = Resilient(inner, timeout=LONG, attempts=5, breaker=breaker)
        server.kill()
        with pytest.raises(OperationalError):
            source.load_many([1])
        with pytest.raises(SourceError, match="failed too often"):
            source.load_many([1])
    server.start()


@pytest.mark.parametrize("way", ["threads", "coroutines"])
def test_a_server_that_hangs_costs_no_more_than_the_budget(server: Postgres, way: str) -> None:
    with SQL[int, Any](server.url, table="users", key="id") as inner:
        source = Resilient(inner, timeout=0.2, left_behind=3)

        def ask() -> dict[int, Any]:
            if way == "threads":
                return source.load_many([1])
            return asyncio.run(source.aload_many([1]))

        source._timeout, budget = LONG, source._timeout
        assert ask() == {1: ROWS[1]}
        source._timeout = budget
        server.pause()
        for _ in range(3):
            with pytest.raises(SourceError, match=r"did not answer within 0.2 s"):
                ask()
        with pytest.raises(SourceError, match="hangs: 3 calls"):
            ask()
        server.resume()
        while source._left:
            threading.Event().wait(0.001)
        source._timeout = LONG
        assert ask() == {1: ROWS[1]}


def test_an_async_engine_whose_server_hangs_keeps_the_budget(server: Postgres) -> None:
    engine = create_async_engine(server.url)
    source = Resilient(SQL[int, Any](engine, table="users", key="id"), timeout=LONG)

    async def use() -> None:
        assert await source.aload_many([1]) == {1: ROWS[1]}
        source._timeout = 0.2
        server.pause()
        with pytest.raises(SourceError, match=r"did not answer within 0.2 s"):
            await source.aload_many([1])
        server.resume()
        while source._left:
            await asyncio.sleep(0.001)
        source._timeout = LONG
        assert await source.aload_many([2]) == {2: ROWS[2]}
        await engine.dispose()

    asyncio.run(use())


def test_look_ups_of_many_threads_are_few_queries(server: Postgres) -> None:
    queries = []

    class Counted(SQL[int, Any]):
        def load_many(self, keys: Any) -> dict[int, Any]:
            queries.append(len(keys))
            return super().load_many(keys)

    with Counted(server.url, table="users", key="id") as inner:
        source: Source[int, Any] = Coalesced(inner, wait=None)
        together = threading.Barrier(32)

        def ask(n: int) -> dict[int, Any]:
            together.wait()
            return source.load_many([n])

        with ThreadPoolExecutor(32) as threads:
            assert list(threads.map(ask, range(1, 33))) == [{n: ROWS[n]} for n in range(1, 33)]
    assert sum(queries) == 32
    assert len(queries) < 32
