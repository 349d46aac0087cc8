"""Inferred answers are verified against the database, and models that fail are switched off."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from augury.answers import Answers
from tests.unit.fixed_model import Fixed, infer_by


class Service:
    """A function that answers 10 times its parameter, until it is wrong by `off`."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.off = 0.0

    def __call__(self, *, x: int) -> float:
        self.asked.append(x)
        time.sleep(0.005)  # or asking it would be preferred to inferring
        return 10.0 * x + self.off


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def answers(service: Service) -> Iterator[Answers]:
    with Answers(audits=1.0) as made:
        made.register("ten", service, {"x": int}, tolerance=1.0)
        infer_by(made.query("ten"), Fixed(10.0, 0.5, times=True))
        yield made


def test_inferred_answers_say_so_and_are_verified(answers: Answers, service: Service) -> None:
    answer = answers.ask("ten", x=3)
    assert (answer.value, answer.low, answer.high) == (30.0, 29.5, 30.5)
    assert (answer.origin, answer.confidence, answer.exact) == ("inferred", 0.95, False)
    assert answers._auditor.wait(10)
    assert service.asked == [3]
    # What the audit has found is kept: it is exact, and costs no more.
    again = answers.ask("ten", x=3)
    assert (again.value, again.origin) == (30.0, "cache")
    model = answers.query("ten").model
    assert model is not None
    finding = model.watch.finding()
    assert finding is not None
    assert (finding.audits, finding.coverage) == (1, 1.0)
    assert model.calibration.noted == [(30.0, 1.0, 30.0)]  # type: ignore[attr-defined]


def test_exact_is_never_inferred(answers: Answers, service: Service) -> None:
    service.off = 7.0
    answer = answers.ask("ten", x=3, exact=True)
    assert (answer.value, answer.origin) == (37.0, "database")


def test_too_wide_an_interval_is_not_given(answers: Answers) -> None:
    answer = answers.ask("ten", x=3, tolerance=0.1)
    assert answer.origin == "database"


def test_a_model_that_fails_is_switched_off(answers: Answers, service: Service) -> None:
    service.off = 100.0
    for x in range(50):
        answers.ask("ten", x=x)
        assert answers._auditor.wait(10)
    assert answers.query("ten").model is None
    assert answers.ask("ten", x=100).origin == "database"
    # Five misses are enough; what was found wrong is kept right.
    inferred = [x for x in range(50) if answers.ask("ten", x=x).value != 10.0 * x + 100.0]
    assert inferred == []


def test_many_are_inferred_together(answers: Answers, service: Service) -> None:
    found = answers.ask_many("ten", x=np.array([3, 1, 3]))
    assert found.values.tolist() == [30.0, 10.0, 30.0]
    assert found.lows.tolist() == [29.5, 9.5, 29.5]
    assert set(found.origins.tolist()) == {"inferred"}
    assert service.asked == []
    found = answers.ask_many("ten", x=[4, 5], tolerance=0.1)
    assert found.values.tolist() == found.lows.tolist() == [40.0, 50.0]
    assert found.origins.tolist() == ["database", "database"]
    assert len(answers.ask_many("ten", x=np.array([], np.int64))) == 0


def test_what_is_kept_is_void_once_audits_have_found_a_change(tmp_path: Path) -> None:
    file = tmp_path / "flights.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (month INT)")
        connection.executemany("INSERT INTO flights VALUES (?)", [(m,) for m in range(60)] * 10)
    with Answers(f"sqlite:///{file}", audits=1.0, learns=False) as answers:
        sql = "SELECT count(*) FROM flights WHERE month = :month"
        answers.register("flights", sql, {"month": int}, tolerance=1.0)
        assert answers.ask("flights", month=0).value == 10
        infer_by(answers.query("flights"), Fixed(10.0, 0.5), time.time())
        with sqlite3.connect(file) as connection:
            connection.execute("DELETE FROM flights")
        assert answers.ask("flights", month=0).value == 10  # nobody knows
        for month in range(1, 60):
            last = answers.ask("flights", month=month)
            assert answers.wait(10)
        assert last.origin == "database"
        answer = answers.ask("flights", month=0)
        assert (answer.value, answer.origin) == (0, "database")


def test_a_table_is_distrusted_however_its_name_is_written(tmp_path: Path) -> None:
    file = tmp_path / "flights.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (month INT)")
    with Answers(f"sqlite:///{file}", audits=1.0, learns=False) as answers:
        for name, table in (("flights", "flights"), ("same", "main.Flights")):
            sql = f"SELECT count(*) FROM {table} WHERE month = :month"
            answers.register(name, sql, {"month": int}, tolerance=1.0)
        query, same = answers.query("flights"), answers.query("same")
        for each in (query, same):
            infer_by(each, Fixed(10.0, 0.5), time.time())
        for month in range(1, 60):
            answers.ask("flights", month=month)
            assert answers.wait(10)
        assert query.model is None
        assert same.model is None


def test_reports_where_answers_came_from_and_how_right_they_were(
    answers: Answers, service: Service
) -> None:
    for x in range(4):
        service.off = 0.0 if x else 3.0
        answers.ask("ten", x=x)
        assert answers.wait(10)
    answers.ask("ten", x=2)
    answers.ask_many("ten", x=[7, 8])
    (report,) = answers.report()
    assert report.answers == {"cache": 1, "rollup": 0, "inferred": 6, "database": 0}
    assert (report.model, report.examples) == ("fixed", 0)
    assert report.audits is not None
    assert (report.audits.audits, report.audits.coverage, report.audits.bias) == (4, 0.75, -0.75)
    assert {each.where for each in report.parts} >= {"x up to 1"}
    assert report.as_dict()["audits"]["coverage"] == 0.75
    assert "covers  75.0%" in str(report)
    answers.query("ten").model = None
    (report,) = answers.report()
    assert report.model is None
    assert report.audits is not None  # what switched it off is still told
