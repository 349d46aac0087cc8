"""A share of the rows that queries choose among, drawn at random."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

from augury.answers import Answers
from augury.answers.sample import Sample
from augury.answers.selection import Periods, Task
from augury.errors import ConfigurationError, SourceError

WHERE = "WHERE origin = :origin AND month <= :last AND cancelled = 'no: 100%'"
TYPES = {"origin": str, "last": int}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of 40,000 rows, 30,000 are not cancelled; every fifth delay is NULL, and some origins."""
    file = tmp_path / "flights.sqlite"
    rows = [
        (
            None if at % 100 == 0 else ("EWR", "JFK")[at % 3 == 0],
            1 + at % 12,
            None if at % 5 == 0 else float(at % 7),
            "yes" if at % 4 == 0 else "no: 100%",
        )
        for at in range(40_000)
    ]
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (origin TEXT, month INT, delay REAL, cancelled)")
        connection.executemany("INSERT INTO flights VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return file


@pytest.fixture
def answers(path: Path) -> Iterator[Answers]:
    with Answers(f"sqlite:///{path}", learns=False) as made:
        yield made


def drawn(answers: Answers, name: str) -> Sample:
    query = answers.query(name)
    assert query.draw is not None
    return query.draw(query)


@pytest.mark.parametrize("fraction", [0.2, 1.0])
def test_totals_are_those_of_the_table(answers: Answers, fraction: float) -> None:
    answers.register("delay", f"SELECT avg(delay) FROM flights {WHERE}", TYPES, sample=fraction)
    sample = drawn(answers, "delay")
    assert abs(len(sample.points) - 30_000 * fraction) < 0.03 * 30_000
    query = answers.query("delay")
    answers.ask("delay", exact=True, origin="JFK", last=6)
    examples = query.family.examples()
    found = sample.totals(examples.boxes)
    for name, truth in examples.measures.items():
        assert found[name][0] == pytest.approx(truth[0], rel=0.1 if fraction < 1 else 1e-9)
    assert set(found) == set(examples.measures)


def test_counts_have_their_measures(answers: Answers) -> None:
    answers.register("rows", f"SELECT count(*) FROM flights {WHERE}", TYPES, sample=0.5)
    answers.register("known", f"SELECT count(delay) FROM flights {WHERE}", TYPES, sample=0.5)
    answers.register(
        "each",
        f"SELECT origin, count(*) FROM flights {WHERE.replace('origin = :origin AND', '')}"
        " GROUP BY origin",
        {"last": int},
        sample=0.5,
    )
    assert set(drawn(answers, "rows").measures) == {"rows"}
    assert set(drawn(answers, "known").measures) == {"rows", "count:delay"}
    assert set(drawn(answers, "each").measures) == {"rows"}
    assert not np.isnan(drawn(answers, "each").points).any()


def test_a_model_gets_the_sample(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    answers.register(
        "rows", f"SELECT count(*) FROM flights {WHERE}", TYPES, tolerance=1, sample=0.1
    )
    given: list[Sample | None] = []

    def select(task: Task, periods: Periods, *args: object) -> object:
        given.append(periods.whole.sample)
        raise SourceError("enough")

    monkeypatch.setattr(Task, "select", select)
    with pytest.raises(SourceError, match="enough"):
        answers.learn()
    (sample,) = given
    assert sample is not None
    assert sample.fraction == 0.1


def test_only_what_adds_up_is_sampled(answers: Answers) -> None:
    with pytest.raises(ConfigurationError, match="only rows that are counted"):
        answers.register("most", f"SELECT max(delay) FROM flights {WHERE}", TYPES, sample=0.1)
    for sample in (0.0, -1.0, 2.0):
        with pytest.raises(ConfigurationError, match="sample must be"):
            answers.register("x", f"SELECT count(*) FROM flights {WHERE}", TYPES, sample=sample)
    with pytest.raises(ConfigurationError, match="only rows that are counted"):
        answers.register("f", lambda x: x, {"x": int}, sample=0.1)
