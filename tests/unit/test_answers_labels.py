"""Labels and quantities of entities: what is learned of answers that do not add up."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from augury.answers import Answers
from augury.answers.model import Model
from augury.answers.query import Query
from augury.answers.target import Target
from augury.answers.watch import Watch
from augury.errors import ConfigurationError


class Threshold:
    """Says the second label above 10, and is not sure around that."""

    def estimate(self, boxes: Any) -> tuple[Any, Any]:
        return (boxes[:, 0, 0] > 10).astype(np.float64), np.abs(boxes[:, 0, 0] - 10) + 0.5

    def estimate_one(self, box: Any) -> tuple[float, float]:
        return float(box[0][0] > 10), abs(box[0][0] - 10) + 0.5

    def arrays(self) -> dict[str, Any]:
        return {}

    def half_width(self, estimate: float, spread: float, confidence: float) -> float:
        return 0.0 if spread > 3 else np.inf

    def half_widths(self, estimates: Any, spreads: Any, confidence: float) -> Any:
        return np.where(spreads > 3, 0.0, np.inf)

    def note(self, estimate: float, spread: float, truth: float) -> None:
        assert truth in (0.0, 1.0)


def buyer(*, minutes: int) -> Any:
    """Return a label, as NumPy has it."""
    return np.array(["looks", "buys"])[int(minutes > 10)]


def learned(query: Query) -> Model:
    fitted = Threshold()
    vocabulary = query.family.vocabulary.copy()
    return Model("threshold", query.target, fitted, fitted, vocabulary, Watch(0.95), 0.0, 0)


def test_labels_are_numbered_as_they_come() -> None:
    answers = Answers()
    answers.register("buyer", buyer, {"minutes": int}, labels=True)
    query = answers.query("buyer")
    assert query.target == Target("label", "label")
    for minutes in (3, 30, 4):
        assert answers.ask("buyer", minutes=minutes).value in ("looks", "buys")
    assert query.family.vocabulary.labels == {"looks": 0, "buys": 1}
    examples = query.family.examples()
    assert query.target.of(examples).tolist() == [0.0, 1.0, 0.0]
    assert examples.boxes[:, 0, 0].tolist() == [3.0, 30.0, 4.0]


def test_infers_labels_that_are_sure() -> None:
    with Answers(audits=1.0) as answers:
        answers.register("buyer", buyer, {"minutes": int}, labels=True, confidence=0.9)
        query = answers.query("buyer")
        for minutes in (1, 50):
            answers.ask("buyer", minutes=minutes)
        query.model = learned(query)
        query.seconds = 1.0  # as of a slow one: what is quicker than a model is asked itself
        answer = answers.ask("buyer", minutes=40)
        assert (answer.value, answer.low, answer.high) == ("buys", "buys", "buys")
        assert (answer.origin, answer.confidence, answer.exact) == ("inferred", 0.9, False)
        assert answers.ask("buyer", minutes=2).value == "looks"
        assert answers.ask("buyer", minutes=11).origin == "database"
        assert answers._auditor.wait(10)
        found = query.model.watch.finding()
        assert found is not None
        assert (found.audits, found.coverage) == (2, 1.0)
        many = answers.ask_many("buyer", minutes=[3, 60, 9, 12, 2])
        assert many.values.tolist() == ["looks", "buys", "looks", "buys", "looks"]
        assert many.lows.tolist() == many.highs.tolist() == many.values.tolist()
        assert many.origins.tolist() == ["inferred", "inferred", "database", "database", "inferred"]


def test_a_label_that_the_model_does_not_know_counts_as_wrong() -> None:
    answer = {"value": "buys"}
    with Answers(audits=1.0) as answers:
        answers.register("buyer", lambda minutes: answer["value"], {"minutes": int}, labels=True)
        query = answers.query("buyer")
        answers.ask("buyer", minutes=1)
        answers.ask("buyer", minutes=50)
        query.model = learned(query)
        query.model.vocabulary.label_number("looks")
        answer["value"] = "steals"
        query.seconds = 1.0
        query.model.calibration.note = lambda *_: None  # type: ignore[method-assign]
        assert answers.ask("buyer", minutes=2).value == "buys"
        assert answers._auditor.wait(10)
        found = query.model.watch.finding()
        assert found is not None
        assert found.coverage == 0.0


def test_nothing_may_be_a_label() -> None:
    random = np.random.default_rng(1)
    answer = {n: "buys" if n > 200 else None for n in range(1_000)}
    with Answers(audits=0.0, learns=False) as answers:
        answers.register("kind", lambda key: answer[key], {"key": int}, labels=True)
        query = answers.query("kind")
        for n in random.permutation(1_000)[:600].tolist():
            answers.ask("kind", key=n)
        answers.learn(models=["tree"])
        assert query.model is not None
        query.seconds = 1.0
        found = {n: answers.ask("kind", key=n) for n in range(1_000)}
        inferred = {n for n in found if found[n].origin == "inferred"}
        assert {answer[n] for n in inferred} == {"buys", None}
        assert np.mean([found[n].value == answer[n] for n in inferred]) > 0.95
        many = answers.ask_many("kind", key=range(1_000))
        assert many.values.tolist() == [each.value for each in found.values()]


def test_labels_of_a_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop") as connection:
        connection.execute("CREATE TABLE sessions (id INT, kind TEXT)")
        connection.executemany(
            "INSERT INTO sessions VALUES (?, ?)", [(1, "looks"), (2, "buys"), (3, None)]
        )
    connection.close()
    with Answers(f"sqlite:///{tmp_path / 'shop'}") as answers:
        sql = "SELECT kind FROM sessions WHERE id = :id"
        answers.register("kind", sql, {"id": int}, labels=True)
        assert [answers.ask("kind", id=number).value for number in (1, 2, 3, 4)] == [
            *("looks", "buys", None, None)
        ]
        family = answers.query("kind").family
        assert family.vocabulary.labels == {"looks": 0, "buys": 1, None: 2}
        assert len(family.log) == 4  # of a model that knew no NULL, all would be a label


def test_quantities_are_learned_as_they_are() -> None:
    answers = Answers()
    answers.register("risk", lambda age: age / 4 if age else None, {"age": int}, tolerance=0.1)
    for age in (0, 10, 20):
        answers.ask("risk", age=age)
    query = answers.query("risk")
    values = query.target.of(query.family.examples())
    assert np.isnan(values[0])
    assert values[1:].tolist() == [2.5, 5.0]


def test_labels_and_quantities_of_a_statement_are_apart(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop") as connection:
        connection.execute("CREATE TABLE sessions (id INT, kind INT)")
        connection.execute("INSERT INTO sessions VALUES (1, 7)")
    connection.close()
    with Answers(f"sqlite:///{tmp_path / 'shop'}") as answers:
        sql = "SELECT kind FROM sessions WHERE id = :id"
        answers.register("kind", sql, {"id": int}, labels=True)
        answers.register("number", sql, {"id": int}, tolerance=1)
        for name in ("kind", "number"):
            assert answers.ask(name, id=1).value == 7
            query = answers.query(name)
            known = query.target.of(query.family.examples())
            assert known.tolist() == [0.0 if name == "kind" else 7.0]


@pytest.mark.parametrize(
    ("sql", "more", "told"),
    [
        ("SELECT count(*) FROM sessions WHERE id = :id", {}, "aggregates"),
        ("SELECT kind FROM sessions WHERE id = :id", {"tolerance": 1.0}, "have no tolerance"),
    ],
)
def test_refuses_labels(tmp_path: Path, sql: str, more: dict[str, Any], told: str) -> None:
    with (
        Answers(f"sqlite:///{tmp_path / 'shop'}") as answers,
        pytest.raises(ConfigurationError, match=told),
    ):
        answers.register("kind", sql, {"id": int}, labels=True, **more)


def test_numbers_are_given_once() -> None:
    from threading import Thread

    answers = Answers()
    answers.register("label", lambda x: f"label {x}", {"x": int}, labels=True)
    threads = [
        Thread(target=lambda: [answers.ask("label", x=x) for x in range(300)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    labels = answers.query("label").family.vocabulary.labels
    assert sorted(labels.values()) == list(range(300))
