"""Kept results that add up: every roll-up equals what the database says."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from hypothesis import given, settings
from hypothesis import strategies as st

from augury import Cache, Tiers
from augury.answers import Answers
from augury.answers.cover import Lines
from augury.answers.region import Dimension, Region
from augury.tiers import Memory
from tests.servers.postgres import postgres

WHERE = "WHERE origin IN :origins AND month BETWEEN :first AND :last AND hour >= :hour"
TYPES = {"origins": list[str], "first": int, "last": int, "hour": int}
QUERIES = {
    "count": f"SELECT count(*) FROM flights {WHERE}",
    "known": f"SELECT count(delay) FROM flights {WHERE}",
    "total": f"SELECT sum(delay) FROM flights {WHERE}",
    "mean": f"SELECT avg(delay) FROM flights {WHERE}",
    "seats": f"SELECT sum(seats) FROM flights {WHERE}",
}
ORIGINS = ["EWR", "JFK", "LGA"]


class Slow:
    """Answers whose database is taken to be slow, so that roll-ups are always tried."""

    def __init__(self, url: str, **given: Any) -> None:
        self.answers = Answers(url, **given)

    def ask(self, name: str, **values: Any) -> Any:
        self.answers.query(name).seconds = 1.0
        return self.answers.ask(name, **values)


def filled(path: Path, rows: list[tuple[Any, ...]]) -> str:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE flights (origin TEXT, month, hour INT, delay REAL, seats INT)")
    connection.executemany("INSERT INTO flights VALUES (?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rollup")


def close(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


row = st.tuples(
    st.sampled_from([*ORIGINS, None]),
    st.sampled_from([1, 2, 3, 4, 5, None]),
    st.integers(0, 3),
    st.sampled_from([None, 0.1, -7.25, 3.5, 1e6]),
    st.sampled_from([None, 3, -5, 2**40]),
)
question = st.fixed_dictionaries(
    {
        "origins": st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=3),
        "first": st.integers(1, 5),
        "last": st.integers(1, 5),
        "hour": st.integers(0, 2),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(row, max_size=40),
    st.lists(st.tuples(st.sampled_from(sorted(QUERIES)), question), min_size=20, max_size=60),
)
def test_every_roll_up_is_what_the_database_says(
    folder: Path, rows: list[tuple[Any, ...]], asked: list[tuple[str, dict[str, Any]]]
) -> None:
    slow = Slow(filled(folder / "random.sqlite", rows))
    with slow.answers as answers:
        for name, sql in QUERIES.items():
            answers.register(name, sql, TYPES)
        for name, values in asked:
            found = slow.ask(name, **values)
            inside = [
                each
                for each in rows
                if each[0] in values["origins"]
                and each[1] is not None
                and values["first"] <= each[1] <= values["last"]
                and each[2] >= values["hour"]
            ]
            delays = [each[3] for each in inside if each[3] is not None]
            seats = [each[4] for each in inside if each[4] is not None]
            wanted = {
                "count": len(inside),
                "known": len(delays),
                "total": math.fsum(delays) if delays else None,
                "mean": math.fsum(delays) / len(delays) if delays else None,
                "seats": sum(seats) if seats else None,
            }[name]
            assert close(found.value, wanted), (found.origin, found.explain())
            if name in ("count", "known", "seats"):
                assert type(found.value) is type(wanted)
            assert found.low == found.high == found.value


ROWS = [
    (origin, month, hour, month + hour / 4, 10 * month)
    for origin in ORIGINS
    for month in range(1, 13)
    for hour in range(4)
]


@pytest.fixture
def slow(folder: Path) -> Iterator[Slow]:
    made = Slow(filled(folder / "flights.sqlite", ROWS))
    for name, sql in QUERIES.items():
        made.answers.register(name, sql, TYPES)
    with made.answers:
        yield made


def part(origins: str, first: int, last: int, hour: int = 0) -> dict[str, Any]:
    return {"origins": origins.split(), "first": first, "last": last, "hour": hour}


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ([part("JFK", 1, 2), part("JFK", 3, 3)], part("JFK", 1, 3)),
        ([part("JFK", 1, 12), part("JFK", 4, 12)], part("JFK", 1, 3)),
        ([part("JFK", 1, 12), part("JFK", 1, 3), part("JFK", 8, 12)], part("JFK", 4, 7)),
        ([part("JFK", 1, 2), part("LGA", 1, 2)], part("LGA JFK", 1, 2)),
        ([part("JFK LGA EWR", 1, 2), part("LGA", 1, 2)], part("EWR JFK", 1, 2)),
        (
            [part("JFK", 1, 2), part("JFK", 3, 6), part("LGA", 1, 4), part("LGA", 5, 6)],
            part("JFK LGA", 1, 6),
        ),
        (
            [part("JFK", 1, 2), part("LGA", 1, 2), part("JFK LGA", 3, 4)],
            part("JFK LGA", 1, 4),
        ),
    ],
)
def test_what_makes_a_region_up(
    slow: Slow, kept: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    for values in kept:
        assert slow.ask("mean", **values).origin in ("database", "rollup")
    wanted = [
        r for r in ROWS if r[0] in asked["origins"] and asked["first"] <= r[1] <= asked["last"]
    ]
    for name, value in {
        "mean": sum(r[3] for r in wanted) / len(wanted),
        "count": len(wanted),
        "total": sum(r[3] for r in wanted),
    }.items():
        found = slow.ask(name, **asked)
        assert (found.value, found.origin) == (pytest.approx(value), "rollup")
    assert slow.ask("seats", **asked).origin == "database"


def test_what_does_not_is_asked(slow: Slow) -> None:
    for values in (part("JFK", 1, 2), part("JFK", 2, 4), part("LGA", 3, 4), part("JFK", 3, 4, 1)):
        slow.ask("count", **values)
    assert slow.ask("count", **part("JFK", 1, 4)).origin == "database"


def test_results_that_left_the_cache_are_not_added(folder: Path) -> None:
    cache: Cache[Any, Any] = Cache(100)
    slow = Slow(filled(folder / "flights.sqlite", ROWS), cache=cache)
    slow.answers.register("count", QUERIES["count"], TYPES)
    slow.ask("count", **part("JFK", 1, 2))
    slow.ask("count", **part("JFK", 3, 4))
    cache.clear()
    assert slow.ask("count", **part("JFK", 1, 4)).origin == "database"
    assert slow.ask("count", **part("JFK", 1, 2)).origin == "database"


def test_fractions_are_not_between_whole_numbers(folder: Path) -> None:
    slow = Slow(filled(folder / "half.sqlite", [("JFK", m, 0, 1.0, 1) for m in (1, 2, 2.5, 3)]))
    slow.answers.register("count", QUERIES["count"], TYPES)
    slow.ask("count", **part("JFK", 1, 2))
    slow.ask("count", **part("JFK", 3, 4))
    found = slow.ask("count", **part("JFK", 1, 4))
    assert (found.value, found.origin) == (4, "database")
    slow.ask("count", **part("JFK", 1, 3))
    # What needs no such thing is still added up.
    slow.ask("count", **part("LGA", 1, 3))
    assert slow.ask("count", **part("JFK LGA", 1, 3)).origin == "rollup"


def test_texts_that_a_database_may_take_for_the_same_are_not_added(folder: Path) -> None:
    slow = Slow(filled(folder / "flights.sqlite", ROWS))
    slow.answers.register("count", QUERIES["count"], TYPES)
    for odd in ("JFK", "jfk", "JFK ", "J\u0301FK"):
        slow.ask("count", origins=[odd], first=1, last=2, hour=0)
    for odd in ("jfk", "JFK ", "J\u0301FK"):
        asked = slow.ask("count", origins=["JFK", odd], first=1, last=2, hour=0)
        assert asked.origin == "database"


BY: dict[str, tuple[str, dict[str, Any]]] = {
    "by month": (
        "SELECT month, count(*) FROM flights WHERE hour >= :hour GROUP BY month",
        {"hour": int},
    ),
    "by both": (
        "SELECT origin, month, sum(delay) FROM flights WHERE hour >= :hour GROUP BY origin, month",
        {"hour": int},
    ),
    "range": (
        "SELECT count(*) FROM flights WHERE hour >= :hour AND month BETWEEN :first AND :last",
        {"hour": int, "first": int, "last": int},
    ),
    "month": (
        "SELECT sum(delay) FROM flights "
        "WHERE hour >= :hour AND month = :month AND origin = :origin",
        {"hour": int, "month": int, "origin": str},
    ),
    "all": ("SELECT count(*) FROM flights WHERE hour >= :hour", {"hour": int}),
}


def test_groups_are_added(folder: Path) -> None:
    rows = [*ROWS, ("JFK", None, 2, 5.0, 1), (None, 3, 2, 6.0, 1)]
    slow = Slow(filled(folder / "groups.sqlite", rows))
    for name, (sql, types) in BY.items():
        slow.answers.register(name, sql, types)
    slow.ask("by month", hour=1)
    slow.ask("by both", hour=1)
    asked: list[tuple[str, dict[str, Any], Any]] = [
        ("all", {}, sum(r[2] >= 1 for r in rows)),
        ("range", {"first": 2, "last": 3}, sum(r[2] >= 1 and r[1] in (2, 3) for r in rows)),
        ("range", {"first": 20, "last": 30}, 0),
        (
            "month",
            {"month": 3, "origin": "JFK"},
            sum(r[3] for r in rows if r[2] >= 1 and r[1] == 3 and r[0] == "JFK"),
        ),
        ("month", {"month": 30, "origin": "JFK"}, None),
    ]
    for name, values, wanted in asked:
        found = slow.ask(name, hour=1, **values)
        assert (found.value, found.origin) == (wanted, "rollup"), name
    # A text that is in no group may be equal to one, as the database compares them.
    assert slow.ask("month", hour=1, month=3, origin="jfk").origin == "database"
    assert slow.ask("all", hour=2).origin == "database"


def test_groups_of_other_things_are_not(folder: Path) -> None:
    rows = [("JFK", 1.5, 1, 1.0, 1), ("JFK", 2, 1, 1.0, 1)]
    slow = Slow(filled(folder / "odd.sqlite", rows))
    for name, (sql, types) in BY.items():
        slow.answers.register(name, sql, types)
    slow.ask("by month", hour=1)
    found = slow.ask("range", hour=1, first=1, last=2)
    assert (found.value, found.origin) == (2, "database")
    assert slow.ask("all", hour=1).origin == "rollup"


def test_dates_of_postgres() -> None:
    pytest.importorskip("psycopg")
    from sqlalchemy import create_engine, text

    with postgres() as server:
        engine = create_engine(server.url)
        with engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE visits (day DATE, seconds NUMERIC, cents BIGINT)")
            )
            connection.execute(
                text(
                    "INSERT INTO visits SELECT DATE '2024-01-01' + n % 60, n / 8.0, n "
                    "FROM generate_series(1, 1000) n"
                )
            )
        slow = Slow(server.url)
        days = {"first": date, "last": date}
        within = "FROM visits WHERE day BETWEEN :first AND :last"
        slow.answers.register("by day", "SELECT day, avg(seconds) FROM visits GROUP BY day", {})
        slow.answers.register("mean", f"SELECT avg(seconds) {within}", days)
        slow.answers.register("cents", f"SELECT sum(cents) {within}", days)
        slow.ask("by day")
        spring: dict[str, Any] = {"first": date(2024, 1, 5), "last": date(2024, 2, 9)}
        found = slow.ask("mean", **spring)
        exact = slow.answers.ask("mean", exact=True, **spring)
        assert (found.origin, exact.origin) == ("rollup", "database")
        assert math.isclose(found.value, exact.value, rel_tol=1e-12)
        assert slow.ask("cents", **spring).origin == "database"
        slow.answers.close()
        engine.dispose()


interval = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted)


@given(
    st.sets(st.tuples(interval.map(tuple), interval.map(tuple), st.sampled_from("abc"))),
    st.tuples(interval.map(tuple), interval.map(tuple), st.sampled_from("abc")),
)
def test_covers_count_each_point_once(kept: set[Any], asked: Any) -> None:
    dimensions = [
        Dimension("x", ordered=True, whole=True),
        Dimension("y", ordered=True, whole=True),
        Dimension("z", ordered=False),
    ]
    lines = Lines(dimensions)
    regions: set[Region] = {(x, y, (z,)) for x, y, z in kept}
    swapped: set[Region] = {(y, x, (z,)) for x, y, z in kept}
    gone = swapped - regions
    for region in regions | gone:
        lines.add(region)
    for region in gone:
        lines.discard(region)
    wanted: Region = (asked[0], asked[1], (asked[2],))
    parts = lines.cover(wanted, regions.__contains__)
    for region in regions:
        lines.discard(region)
    assert not any([*lines._lines, *lines._ends])
    if parts is None:
        return
    assert all(region in regions for _, region in parts)

    def inside(region: Any, x: int, y: int, z: str) -> bool:
        low = region[0][0] <= x <= region[0][1] and region[1][0] <= y <= region[1][1]
        return low and z in region[2]

    for x in range(10):
        for y in range(10):
            for z in "abc":
                total = sum(sign * inside(region, x, y, z) for sign, region in parts)
                assert total == inside(wanted, x, y, z)


def test_fractions_that_a_change_brings_are_seen(folder: Path) -> None:
    url = filled(folder / "whole", [("EWR", month, 1, 0.0, 1) for month in (1, 2, 3, 4)])
    sql = "SELECT count(*) FROM flights WHERE month BETWEEN :a AND :b"
    with Tiers[Any, Any]([Memory(1000)], ttl=3600) as tiers:
        for cache in (None, tiers):
            slow = Slow(url, cache=cache)
            slow.answers.register("n", sql, {"a": int, "b": int})
            slow.ask("n", a=1, b=2), slow.ask("n", a=3, b=4)
            assert slow.ask("n", a=1, b=4).origin == "rollup"
            with sqlite3.connect(folder / "whole") as connection:
                connection.execute("INSERT INTO flights VALUES ('EWR', 2.5, 1, 0.0, 1)")
            slow.answers.changed("flights")
            slow.ask("n", a=1, b=2), slow.ask("n", a=3, b=4)
            assert slow.ask("n", a=1, b=4).value == 5
            with sqlite3.connect(folder / "whole") as connection:
                connection.execute("DELETE FROM flights WHERE month = 2.5")
            slow.answers.close()


def test_a_change_while_a_column_is_looked_at_counts(folder: Path) -> None:
    url = filled(folder / "late", [("EWR", month, 1, 0.0, 1) for month in (1, 2, 3, 4)])
    slow = Slow(url)
    sql = "SELECT count(*) FROM flights WHERE month BETWEEN :a AND :b"
    slow.answers.register("n", sql, {"a": int, "b": int})
    query = slow.answers.query("n")
    rollup = query._rollup
    assert rollup is not None
    ask_whole = rollup._ask_whole

    def changed_meanwhile(column: str) -> bool:
        found = ask_whole(column)
        rollup._ask_whole = ask_whole
        with sqlite3.connect(folder / "late") as connection:
            connection.execute("INSERT INTO flights VALUES ('EWR', 2.5, 1, 0.0, 1)")
        slow.answers.changed("flights")
        slow.ask("n", a=1, b=2), slow.ask("n", a=3, b=4)
        assert slow.ask("n", a=1, b=1).value == 1  # which turns to the new generation
        return found

    rollup._ask_whole = changed_meanwhile
    slow.ask("n", a=1, b=2), slow.ask("n", a=3, b=4)
    slow.ask("n", a=1, b=4)
    assert slow.ask("n", a=2, b=4).value == 4
    assert slow.ask("n", a=1, b=4).value == 5
    slow.answers.close()


def test_grouped_results_that_it_knows_are_bounded(folder: Path) -> None:
    url = filled(folder / "grouped", [("EWR", month, 1, 0.0, 1) for month in (1, 2)])
    with Answers(url) as answers:
        sql = "SELECT month, count(*) FROM flights WHERE month <= :b GROUP BY month"
        answers.register("n", sql, {"b": int})
        for b in range(150):
            answers.ask("n", b=b)
        rollup = answers.query("n")._rollup
        assert rollup is not None
        ((held,),) = (shape.values() for shape in rollup._grouped.values())
        assert len(held) == 100
