"""Plans and explanations: which way is taken, by cost and tolerance, and why not the others."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from augury.answers import Answers
from augury.answers.cost import Cost
from augury.answers.plan import Plan
from augury.errors import QueryError
from tests.unit.fixed_model import Fixed, infer_by

COUNT = "SELECT count(*) FROM flights WHERE month BETWEEN :first AND :last"


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    file = tmp_path / "flights.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (month INT)")
        connection.executemany(
            "INSERT INTO flights VALUES (?)", [(n % 12 + 1,) for n in range(120)]
        )
    made = Answers(f"sqlite:///{file}", audits=0, learns=False)
    made.register("count", COUNT, {"first": int, "last": int}, tolerance=3)
    return made


def learned(answers: Answers, seconds: float) -> None:
    query = answers.query("count")
    query.seconds = seconds
    infer_by(query, Fixed(10.0, 2.0))


def why(plan: Plan, way: str) -> str:
    return next(step.why for step in plan.steps if step.way == way)


def test_says_what_would_be_done_and_does_nothing(answers: Answers) -> None:
    plan = answers.plan("count", first=1, last=2)
    assert plan.way == "database"
    assert why(plan, "cache") == "it is not kept"
    assert why(plan, "rollup") == "no kept results add up to it"
    assert why(plan, "inferred") == "nothing has been learned"
    assert answers.plan("count", first=1, last=2).way == "database"
    answers.ask("count", first=1, last=2)
    plan = answers.plan("count", first=1, last=2)
    assert (plan.way, why(plan, "database")) == ("cache", "not needed")
    assert plan.steps[-1].seconds == answers.query("count").seconds > 0


def test_the_database_is_asked_first_if_it_costs_less(answers: Answers) -> None:
    learned(answers, seconds=1e-7)
    plan = answers.plan("count", first=1, last=2)
    assert plan.way == "database"
    assert why(plan, "inferred") == "the database is expected to cost less"
    learned(answers, seconds=1.0)
    plan = answers.plan("count", first=1, last=2)
    assert plan.way == "inferred"
    assert "narrow enough (fixed)" in why(plan, "inferred")


def test_the_tolerance_decides(answers: Answers) -> None:
    learned(answers, seconds=1.0)
    plan = answers.plan("count", first=1, last=2, tolerance=1)
    step = plan.steps[2]
    assert (plan.way, step.half_width, step.taken) == ("database", 2.0, False)
    assert "wider than the tolerance" in step.why


def test_results_are_added_up_if_that_is_cheaper_than_inferring(answers: Answers) -> None:
    answers.ask("count", first=1, last=2)
    answers.ask("count", first=3, last=4)
    learned(answers, seconds=1.0)
    query = answers.query("count")
    query._costs["inferred"].seconds = 1e-2
    plan = answers.plan("count", first=1, last=4)
    assert (plan.way, plan.steps[1].half_width) == ("rollup", 0.0)
    assert why(plan, "inferred") == "not considered"
    query._costs["rollup"].seconds = 1e-1
    assert answers.plan("count", first=1, last=4).way == "inferred"


def test_answers_explain_themselves_as_they_were_made(answers: Answers) -> None:
    first = answers.ask("count", first=1, last=2)
    again = answers.ask("count", first=1, last=2)
    learned(answers, seconds=1.0)
    inferred = answers.ask("count", first=5, last=7)
    answers.changed("flights")
    assert "->  database" not in first.explain()
    assert "-> database" in first.explain()
    assert "it is not kept" in first.explain()
    assert "-> cache" in again.explain()
    text = inferred.explain()
    assert text.startswith("count (first=5, last=7), tolerance 3\n")
    assert "-> inferred" in text
    assert "± 2" in text
    exact = answers.ask("count", first=1, last=2, exact=True)
    assert "the database has to answer" in exact.explain()


def test_refuses_what_ask_refuses(answers: Answers) -> None:
    with pytest.raises(QueryError, match="needs the parameter"):
        answers.plan("count", first=1)
    with pytest.raises(QueryError, match="no query"):
        answers.plan("counts")


def test_what_was_too_expensive_is_tried_again() -> None:
    cost = Cost(1e-5)
    for _ in range(1000):
        cost.note(1.0, worked=False)
    assert cost.seconds > 0.5
    for _ in range(2000):
        cost.skip()
    assert cost.price < 1e-3


def test_one_interruption_is_forgiven() -> None:
    cost = Cost(1e-5)
    cost.note(10.0, worked=True)
    assert cost.price < 2e-5
