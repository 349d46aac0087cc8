"""Reported changes: what is served no more, what is served with a wider interval, and races."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from augury import Cache, Tiers
from augury.answers import Answers, Tolerance
from augury.answers.invalidation import Changes, same_table
from augury.errors import ConfigurationError, SourceError
from augury.tiers import Disk, Memory
from tests.unit.fixed_model import Fixed, infer_by

M: dict[str, Any] = {"m": int}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "flights.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (month INT, delay REAL)")
        connection.execute("CREATE TABLE carriers (code TEXT)")
        connection.execute("CREATE TABLE state (version INT)")
        connection.execute("INSERT INTO state VALUES (1)")
        connection.execute("INSERT INTO carriers VALUES ('UA'), ('AA')")
        connection.executemany(
            "INSERT INTO flights VALUES (?, ?)", [(n % 3, float(n)) for n in range(300)]
        )
    return file


def registered(answers: Answers) -> Answers:
    near = Tolerance(absolute=10)
    where = "FROM flights WHERE month = :m"
    answers.register("count", f"SELECT count(*) {where}", M, tolerance=near)
    answers.register("strict", f"SELECT count(*) {where} AND delay >= 0", M)
    answers.register("mean", f"SELECT avg(delay) {where}", M, tolerance=near)
    answers.register("groups", f"SELECT month, count(*) {where} GROUP BY month", M, tolerance=near)
    answers.register(
        "joined",
        "SELECT count(*) FROM flights f, carriers c WHERE f.month = :m",
        M,
        tolerance=near,
    )
    answers.register("carriers", "SELECT count(*) FROM main.carriers", {}, tolerance=near)
    return answers


@pytest.fixture(params=["cache", "tiers"])
def answers(request: Any, path: Path, tmp_path: Path) -> Iterator[Answers]:
    if request.param == "cache":
        with registered(Answers(f"sqlite:///{path}")) as made:
            yield made
    else:
        pytest.importorskip("lmdb")
        with (
            Tiers[Any, Any]([Memory(1000), Disk(tmp_path / "tier", 1 << 24)], ttl=3600) as tiers,
            registered(Answers(f"sqlite:///{path}", tiers)) as made,
        ):
            yield made


def insert(path: Path, month: int, rows: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO flights VALUES (?, 0)", [(month,)] * rows)


ALL = ("count", "strict", "mean", "groups", "joined")


def test_a_change_of_unknown_size_makes_all_void(answers: Answers, path: Path) -> None:
    for name in ALL:
        answers.ask(name, m=1)
    answers.ask("carriers")
    insert(path, 1, 5)
    assert [answers.ask(name, m=1).origin for name in ALL] == ["cache"] * 5
    assert answers.changed("Flights") == 5
    assert answers.ask("count", m=1).value == 105
    assert answers.ask("strict", m=1).value == 105
    assert answers.ask("groups", m=1).value == {1: 105}
    assert answers.ask("joined", m=1).value == 210
    assert answers.ask("mean", m=1).origin != "cache"
    assert answers.ask("carriers").origin == "cache"
    assert answers.changed("other") == 0
    assert answers.changed("carriers") == 2


def test_changes_of_few_rows_widen_counts(answers: Answers, path: Path) -> None:
    for name in ALL:
        answers.ask(name, m=1)
    insert(path, 1, 4)
    assert answers.changed("main.flights", rows=4) == 5
    found = answers.ask("count", m=1)
    assert (found.value, found.low, found.high, found.origin) == (100, 96, 104, "cache")
    assert answers.ask("strict", m=1).value == 104  # no tolerance
    assert answers.ask("groups", m=1).value == {1: 104}
    assert answers.ask("joined", m=1).value == 208  # a row may count more than once
    assert answers.ask("mean", m=1).origin == "database"
    insert(path, 1, 6)
    answers.changed("flights", rows=6)
    assert answers.ask("count", m=1).high == 110
    insert(path, 1, 1)
    answers.changed("flights", rows=1)
    found = answers.ask("count", m=1)
    assert (found.value, found.low, found.origin) == (111, 111, "database")
    assert answers.ask("count", m=1).low == 111
    assert answers.changed("flights", rows=0) == 5
    assert answers.ask("count", m=1).low == 111


def test_counts_are_never_below_nothing(answers: Answers) -> None:
    assert answers.ask("count", m=7).value == 0
    answers.changed("flights", rows=3)
    found = answers.ask("count", m=7)
    assert (found.low, found.high) == (0, 3)


@pytest.mark.parametrize("odd", [-1, 1.5, "3", True, float("nan")])
def test_refuses_numbers_of_rows(answers: Answers, odd: Any) -> None:
    with pytest.raises(ConfigurationError, match="number of rows"):
        answers.changed("flights", rows=odd)


@pytest.mark.parametrize("rows", [None, 1000])
@pytest.mark.parametrize("name", ["count", "mean", "groups"])
def test_what_was_loaded_while_the_table_changed_is_not_kept_as_new(
    answers: Answers, path: Path, name: str, rows: int | None
) -> None:
    """The database has answered, then the table changes and that is reported, then it arrives."""
    query = answers.query(name)
    run, read, go = query._run, threading.Event(), threading.Event()

    def slow(values: Any) -> Any:
        found = run(values)
        if not read.is_set():
            read.set()
            assert go.wait(60)
        return found

    query._run = slow
    old: list[Any] = []
    asking = threading.Thread(target=lambda: old.append(answers.ask(name, m=1).value))
    asking.start()
    assert read.wait(60)
    insert(path, 1, 1000)
    answers.changed("flights", rows=rows)
    waiting: list[Any] = []
    later = threading.Thread(target=lambda: waiting.append(answers.ask(name, m=1).value))
    later.start()
    go.set()
    asking.join()
    later.join()
    wanted = {"count": 1100, "groups": {1: 1100}}.get(name)
    if wanted is not None:
        assert waiting == [wanted]
        assert answers.ask(name, m=1).value == wanted
    else:
        fresh = answers.ask(name, m=1).value
        assert waiting == [fresh]
        assert fresh == answers.ask(name, exact=True, m=1).value
    examples = query.family.examples()
    assert 100.0 not in examples.measures.get("rows", np.array([]))


def test_exact_answers_of_tiers_are_dropped_by_other_processes(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    with (
        Tiers[Any, Any]([Disk(tmp_path / "t", 1 << 24)], consistency="validated") as one,
        Tiers[Any, Any]([Disk(tmp_path / "t", 1 << 24)], consistency="validated") as other,
        registered(Answers(f"sqlite:///{path}", one)) as writer,
        registered(Answers(f"sqlite:///{path}", other)) as reader,
    ):
        assert writer.ask("mean", m=1).origin == "database"
        assert reader.ask("mean", m=1).origin == "cache"
        insert(path, 1, 10)
        writer.changed("flights")
        fresh = reader.ask("mean", m=1)
        assert (fresh.origin, fresh.value) == ("database", writer.ask("mean", m=1).value)
        insert(path, 1, 10)
        reader.changed("flights", rows=10)
        assert writer.ask("mean", m=1).origin == "database"


def learned(answers: Answers, name: str, time: float = 0.0) -> None:
    query = answers.query(name)
    query.seconds = 1.0
    infer_by(query, Fixed(100.0, 2.0), time)


def test_inferred_answers_age_and_go_too(path: Path) -> None:
    with registered(Answers(f"sqlite:///{path}", audits=0)) as answers:
        learned(answers, "count")
        learned(answers, "mean")
        assert answers.ask("count", m=1).high == 102
        assert answers.ask("mean", m=1).origin == "inferred"
        answers.changed("flights", rows=3)
        found = answers.ask("count", m=1)
        assert (found.low, found.high, found.origin) == (95, 105, "inferred")
        assert answers.ask_many("count", m=np.array([1, 2])).highs.tolist() == [105, 105]
        assert answers.ask("mean", m=1).origin == "database"
        answers.changed("flights", rows=6)
        assert answers.ask("count", m=2).origin == "database"
        learned(answers, "count")
        answers.changed("flights")
        assert answers.query("count").model is None
        assert len(answers.query("count").family.log) == 0
        # Learned while the change was reported, of what was executed before it.
        learned(answers, "count")
        assert answers.ask("count", m=0).origin == "database"


def test_versions_are_polled(path: Path) -> None:
    with registered(Answers(f"sqlite:///{path}")) as answers:
        answers.follow("flights", "SELECT max(version) FROM state", every=1e-9)
        assert answers.ask("mean", m=1).origin == "database"
        assert answers.ask("mean", m=1).origin == "cache"
        insert(path, 1, 5)
        assert answers.ask("mean", m=1).origin == "cache"
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE state SET version = 2")
        learned(answers, "mean")
        assert answers.ask("mean", m=1).origin == "database"
        assert answers.query("mean").model is None
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE state")
        with pytest.raises(SourceError, match="no such table"):
            answers.ask("mean", m=1)


def test_versions_are_polled_no_more_often_than_asked_for(path: Path) -> None:
    with registered(Answers(f"sqlite:///{path}")) as answers:
        answers.follow("flights", "SELECT max(version) FROM state", every=1e6)
        assert answers.ask("mean", m=1).origin == "database"
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE state")
        assert answers.ask("mean", m=1).origin == "cache"


@pytest.mark.parametrize(
    ("sql", "every", "told"),
    [
        ("DELETE FROM state", 1.0, "nothing that writes"),
        ("SELECT max(version) FROM state WHERE version = :x", 1.0, "no parameters"),
        ("SELECT max(version) FROM state", 0, "every must be"),
    ],
)
def test_refuses_versions(path: Path, sql: str, every: float, told: str) -> None:
    with registered(Answers(f"sqlite:///{path}")) as answers:
        with pytest.raises(ConfigurationError, match=told):
            answers.follow("flights", sql, every=every)
        answers.ask("mean", m=1)


def test_many_reports_are_remembered_on_the_safe_side() -> None:
    changes = Changes()
    times = []
    for _ in range(25_000):
        changes.report("t", 1)
        times.append(changes._times["t"][-1])
    generation = changes.generation(["t"], shared=False)
    assert len(changes._times["t"]) <= 10_001
    for at in (0, 5, 12_345, 24_999):
        assert 25_000 - at <= changes.rows_since(generation, times[at]) <= 25_000
    assert changes.rows_since(generation, times[-1] + 1) == 0
    assert changes.rows_since(generation, 0) == 25_000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("a.t", "t", True), ("T", "t", True), ("a.t", "b.t", False), ("at", "t", False)],
)
def test_names_of_tables(one: str, other: str, same: bool) -> None:
    assert same_table(one, other) is same
    assert same_table(other, one) is same


def test_a_cache_that_others_use_is_left_alone(path: Path) -> None:
    cache: Cache[Any, Any] = Cache(100)
    cache["mine"] = 1
    with registered(Answers(f"sqlite:///{path}", cache)) as answers:
        answers.ask("mean", m=1)
        answers.changed("flights")
        assert cache["mine"] == 1
