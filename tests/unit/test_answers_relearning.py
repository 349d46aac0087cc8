"""Nothing is learned from what a change, or an alarm, has made void."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")
pytest.importorskip("crepes")
pytest.importorskip("sklearn")

from augury import Tiers
from augury.answers import Answers
from augury.answers.answer import INFERRED
from augury.answers.selection import Periods, Selection, Task
from augury.tiers import Memory

BY = "FROM flights WHERE month BETWEEN :a AND :b"
RANGES: list[dict[str, Any]] = [
    {"a": low / 10, "b": (low + wide) / 10}
    for low, wide in np.random.default_rng(1).permutation(list(np.ndindex(30, 20)))[:300].tolist()
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "flights.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (month REAL, delay REAL)")
        connection.executemany(
            "INSERT INTO flights VALUES (?, ?)", [(n % 300 / 70, float(n % 7)) for n in range(900)]
        )
    return file


@pytest.fixture(params=["cache", "tiers"])
def answers(request: Any, path: Path) -> Iterator[Answers]:
    with Tiers[Any, Any]([Memory(1000)], ttl=3600) as tiers:
        source = f"sqlite:///{path}"
        cache = tiers if request.param == "tiers" else None
        with Answers(source, cache, learns=False, audits=0.0) as made:
            made.register("count", f"SELECT count(*) {BY}", {"a": float, "b": float}, tolerance=50)
            made.register("mean", f"SELECT avg(delay) {BY}", {"a": float, "b": float}, tolerance=50)
            yield made


def executed(answers: Answers) -> None:
    for values in RANGES:
        answers.ask("mean", exact=True, **values)


def test_an_example_from_after_a_change_makes_no_older_one_newer(answers: Answers) -> None:
    executed(answers)
    before = answers.learn(models=["cube"])
    assert all(each.model is not None for each in before)
    answers.changed("flights", rows=1_000)
    answers.ask("mean", exact=True, a=0.5, b=1.5)
    counts, means = answers.learn(models=["cube"])
    assert (means.model, means.examples) == (None, 1)
    assert counts.model is not None
    found = answers.ask("count", tolerance=5_000, a=0.25, b=3.5)
    assert found.origin == INFERRED
    assert found.high - found.value >= 1_000


def test_a_measure_from_before_a_change_joins_none_from_after_it(answers: Answers) -> None:
    answers.ask("mean", a=1.0, b=2.0)
    answers.changed("flights", rows=1)
    answers.ask("count", exact=True, a=1.0, b=2.0)
    assert set(answers.query("mean").family.examples().measures) == {"rows"}


@pytest.mark.parametrize("told", ["changed", "alarm"])
def test_what_is_forgotten_while_it_is_learned_is_not_used(
    answers: Answers, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed(answers)
    count, mean = answers.query("count"), answers.query("mean")
    learned_from: list[int] = []
    select = Task.select

    def selected(task: Task, periods: Periods, *more: Any) -> Selection:
        learned_from.append(len(periods.whole))
        found = select(task, periods, *more)
        if len(learned_from) == 1:
            if told == "changed":
                answers.changed("flights")
            else:
                mean.family.log.forget(before=time.time())
        return found

    monkeypatch.setattr(Task, "select", selected)
    answers.learn(models=["tree"])
    assert learned_from == [300, 0]
    assert (count.model, mean.model) == (None, None)


def test_a_void_model_does_not_go_on(answers: Answers) -> None:
    executed(answers)
    answers.learn(models=["cube"])
    old = answers.query("mean").model
    answers.changed("flights")
    answers.query("mean").model = old  # by a learner, in that very moment
    executed(answers)
    (found,) = answers.learn(["mean"], models=["cube"])
    assert found.reason.startswith("cube answers")
    assert found.model is not None
    assert found.model.since > answers.query("mean").void_before() > -math.inf
