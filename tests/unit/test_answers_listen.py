"""LISTEN and NOTIFY on a real PostgreSQL, which is killed, paused and started again."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("sqlglot")

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from augury.answers import Answers, notify_triggers
from augury.errors import ConfigurationError, SourceError
from tests.servers.postgres import Postgres, postgres

LONG = 60.0


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def engine(running: Postgres) -> Iterator[Engine]:
    running.start()
    made = create_engine(running.url, poolclass=NullPool)
    with made.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS flights, carriers"))
        connection.execute(text("CREATE TABLE flights (month INTEGER, delay FLOAT)"))
        connection.execute(text("CREATE TABLE carriers (code TEXT)"))
        connection.execute(
            text("INSERT INTO flights SELECT n % 12 + 1, n FROM generate_series(1, 1200) n")
        )
        connection.exec_driver_sql(notify_triggers("flights"))
        connection.exec_driver_sql(notify_triggers("public.flights"))  # again, changes nothing
    yield made
    made.dispose()


@pytest.fixture
def answers(engine: Engine) -> Iterator[Answers]:
    with Answers(engine) as made:
        registered(made)
        made.listen(trust=2.0)
        until(lambda: made.ask("mean", month=1).origin == "cache")
        yield made


def registered(answers: Answers) -> None:
    where = "FROM public.flights WHERE month = :month"
    answers.register("mean", f"SELECT avg(delay) {where}", {"month": int})
    answers.register("count", f"SELECT count(*) {where}", {"month": int}, tolerance=10)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def exact(answers: Answers) -> float:
    found: float = answers.ask("mean", exact=True, month=1).value
    return found


def test_hears_what_changes_and_how_many_rows(answers: Answers, engine: Engine) -> None:
    assert answers.ask("count", exact=True, month=1).value == 100
    assert answers.ask("count", month=1).origin == "cache"
    # Equal notifications of one transaction are sent once by PostgreSQL; these are not equal.
    one = "INSERT INTO flights VALUES (1, 0)"
    execute(engine, one, one, "UPDATE flights SET delay = 1 WHERE month = 1 AND delay = 0")
    until(lambda: answers.ask("count", month=1).high > 100)
    found = answers.ask("count", month=1)
    assert (found.value, found.low, found.high, found.origin) == (100, 96, 104, "cache")
    assert answers.ask("mean", month=1).value == exact(answers)
    execute(engine, "DELETE FROM flights WHERE month = 1 AND delay > 600")
    until(lambda: answers.ask("count", month=1).origin == "database")
    assert answers.ask("count", month=1).value == 52
    execute(engine, "UPDATE flights SET delay = 1 WHERE false")
    execute(engine, "INSERT INTO carriers VALUES ('UA')")
    execute(engine, "TRUNCATE flights")
    until(lambda: answers.ask("count", month=1).value == 0)
    assert answers.ask("mean", month=1).value is None


def test_what_is_rolled_back_is_not_heard_of(answers: Answers, engine: Engine) -> None:
    epoch = answers._changes.epoch
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO flights VALUES (1, 0)"))
        connection.rollback()
    execute(engine, "INSERT INTO flights VALUES (2, 0)")
    until(lambda: answers._changes.epoch > epoch)
    assert answers._changes.epoch == epoch + 1


@pytest.mark.parametrize("payload", ["", "null", "[1]", "flights", '{"rows": 3}', '{"table": 7}'])
def test_whatever_else_is_sent_makes_all_void(
    answers: Answers, engine: Engine, payload: str
) -> None:
    epoch = answers._changes.epoch
    execute(engine, f"NOTIFY augury_changes, '{payload}'".replace(":", "\\:"))
    until(lambda: answers._changes.epoch > epoch)
    assert answers.ask("mean", month=1).origin == "database"


def test_a_server_that_was_killed_is_listened_to_again(
    answers: Answers, engine: Engine, running: Postgres
) -> None:
    before = answers.ask("mean", month=1)
    assert before.origin == "cache"
    running.kill()

    def refused() -> bool:
        try:
            return answers.ask("mean", month=1).origin != "cache"
        except SourceError:
            return True

    until(refused)  # kept, but trusted for a while only
    running.start()
    execute(engine, "INSERT INTO flights VALUES (1, 1e6)")
    fresh = exact(answers)
    assert fresh > before.value
    until(lambda: answers.ask("mean", month=1).origin == "cache")
    assert answers.ask("mean", month=1).value == fresh
    execute(engine, "INSERT INTO flights VALUES (1, 1e7)")
    until(lambda: answers.ask("mean", month=1).value > fresh)


def test_a_server_that_hangs_is_not_trusted(answers: Answers, running: Postgres) -> None:
    trusted = answers._changes.trusted
    assert trusted()
    running.pause()
    try:
        until(lambda: not trusted())
    finally:
        running.resume()
    until(trusted)


def test_ends_with_its_answers(answers: Answers) -> None:
    named = [each for each in threading.enumerate() if each.name == "augury-listen"]
    assert named
    answers.close()
    assert not any(each.is_alive() for each in named)
    assert not answers._changes.trusted()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_listens_by_itself(answers: Answers, engine: Engine) -> None:
    child = os.fork()
    if child == 0:
        try:
            until(lambda: answers.ask("mean", month=1).origin == "cache")
            before = answers.ask("mean", month=1).value
            execute(engine, "INSERT INTO flights VALUES (1, 1e6)")
            until(lambda: bool(answers.ask("mean", month=1).value > before))
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    until(lambda: bool(answers.ask("mean", month=1).value == exact(answers)))


@pytest.mark.parametrize("name", ["a b", "a; DROP TABLE b", "a.b'", "", "1a"])
def test_refuses_names(name: str, running: Postgres) -> None:
    with pytest.raises(ConfigurationError, match="without quotes"):
        notify_triggers(name)
    with Answers(running.url) as answers, pytest.raises(ConfigurationError, match="without quotes"):
        answers.listen(channel=name)


def test_only_postgres_is_listened_to() -> None:
    with pytest.raises(ConfigurationError, match="only PostgreSQL"):
        Answers("sqlite://").listen()


def test_a_trust_of_no_time_is_refused(running: Postgres) -> None:
    odd: Any
    for odd in (0, -1, float("nan"), "5"):
        with Answers(running.url) as answers, pytest.raises(ConfigurationError, match="trust"):
            answers.listen(trust=odd)
