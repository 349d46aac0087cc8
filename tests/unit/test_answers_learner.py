"""Queries get models from what was executed: at once, in the background, again when it is time."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")
pytest.importorskip("crepes")
pytest.importorskip("sklearn")

from augury.answers import Answer, Answers, Tolerance
from augury.answers.learner import Learner
from augury.answers.selection import Task
from augury.errors import ConfigurationError, QueryError
from augury.models import Registry
from tests.unit.own_process import run

WHERE = "FROM flights WHERE origin = :origin AND month BETWEEN :first AND :last"
TYPES = {"origin": str, "first": int, "last": int}
ORIGINS = ["EWR", "JFK", "LGA", "BOS", "SFO", "LAX"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flights of which months differ smoothly, so that there is something to learn."""
    random = np.random.default_rng(1)
    rows = [
        (origin, month, 10 + month + 2 * at + float(random.normal()))
        for at, origin in enumerate(ORIGINS)
        for month in range(1, 25)
        for _ in range(20 + 5 * at)
    ]
    file = tmp_path_factory.mktemp("flights") / "flights.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE flights (origin TEXT, month INT, delay REAL)")
        connection.executemany("INSERT INTO flights VALUES (?, ?, ?)", rows)
    connection.close()
    return file


def questions(count: int, seed: int = 2) -> list[dict[str, Any]]:
    """As many different ones."""
    every = [
        {"origin": origin, "first": first, "last": last}
        for origin in ORIGINS
        for first in range(1, 25)
        for last in range(first, 25)
    ]
    order = np.random.default_rng(seed).permutation(len(every))
    return [every[at] for at in order[:count]]


def made(path: Path, *, learns: bool = False, registry: Registry | None = None) -> Answers:
    answers = Answers(f"sqlite:///{path}", audits=0.0, learns=learns, registry=registry)
    answers.register("count", f"SELECT count(*) {WHERE}", TYPES, tolerance=Tolerance(relative=0.3))
    answers.register("delay", f"SELECT avg(delay) {WHERE}", TYPES, tolerance=2.0)
    answers.register("total", f"SELECT sum(delay) {WHERE}", TYPES)
    return answers


@pytest.fixture
def answers(path: Path) -> Iterator[Answers]:
    with made(path) as those:
        yield those


def executed(answers: Answers, count: int) -> None:
    for question in questions(count):
        answers.ask("delay", exact=True, **question)


def inferred(answers: Answers, name: str, question: dict[str, Any]) -> Answer | None:
    """What would be inferred, whatever else could answer."""
    query = answers.query(name)
    values = query.values(question)
    return query.infer(values, query.binding.region(values), query.tolerance, [])


def until(happens: Callable[[], bool]) -> None:
    """Wait for what must happen at last."""
    end = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_learns_at_once(answers: Answers) -> None:
    executed(answers, 800)
    assert inferred(answers, "delay", questions(801)[-1]) is None
    selections = answers.learn(models=["tree", "forest"])
    assert [each.query for each in selections] == ["count", "delay"]  # "total" has no tolerance
    for selection in selections:
        assert {trial.fit for trial in selection.trials} == {"tree", "forest"}
        assert selection.examples == 800
        assert selection.model is not None
        assert selection.trials[0].share > 0.2
        assert selection.trials[0].coverage > 0.9
        assert str(selection).startswith(f"{selection.query}: ")
    later = questions(1_400)[800:]
    for name, tolerance in (("count", None), ("delay", 2.0)):
        found = [(each, inferred(answers, name, each)) for each in later]
        given = [(each, answer) for each, answer in found if answer is not None]
        assert len(given) > 100
        held = []
        for question, answer in given[:200]:
            truth = answers.ask(name, exact=True, **question).value
            assert tolerance is None or answer.high - answer.low <= 2 * tolerance + 1e-9
            held.append(answer.low <= truth <= answer.high)
        assert np.mean(held) > 0.9


def test_too_few_are_not_learned_from(answers: Answers) -> None:
    executed(answers, 100)
    selections = answers.learn()
    assert [each.reason for each in selections] == ["100 executed queries; 250 are needed"] * 2
    assert answers.query("delay").model is None


def test_what_cannot_be_learned_is_left_to_the_database(path: Path) -> None:
    random = np.random.default_rng(5)
    with Answers(learns=False) as answers:
        answers.register("noise", lambda x: float(random.normal()), {"x": int}, tolerance=0.01)
        query = answers.query("noise")
        for x in range(400):
            query.family.log.note(((float(x), float(x)),), {"value": random.normal()}, float(x))
        (selection,) = answers.learn(models=["tree"])
        assert selection.model is None
        assert selection.reason == "no model answers within the tolerance"


def test_null_is_not_inferred(path: Path) -> None:
    """An average of nothing is NULL: where that may be, the database answers."""
    with Answers(f"sqlite:///{path}", audits=0.0, learns=False) as answers:
        answers.register("delay", f"SELECT avg(delay) {WHERE}", TYPES, tolerance=2.0)
        shifted = [
            {**each, "first": each["first"] + 12, "last": each["last"] + 12}
            for each in questions(900)
        ]
        for question in shifted[:600]:
            answers.ask("delay", exact=True, **question)
        answers.learn(models=["forest"])
        wrong = [
            question
            for question in shifted[600:]
            if inferred(answers, "delay", question) is not None
            and answers.ask("delay", exact=True, **question).value is None
        ]
        assert len(wrong) <= 5


def test_unknown_names_are_told(answers: Answers) -> None:
    executed(answers, 260)
    with pytest.raises(QueryError, match="no query 'nothing'"):
        answers.learn(["nothing"])
    with pytest.raises(ConfigurationError, match="unknown model 'oracle'"):
        answers.learn(models=["oracle"])


def test_a_model_that_was_switched_off_meanwhile_is_not_replaced(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed(answers, 700)
    answers.learn(["delay"], models=["forest"])
    query = answers.query("delay")
    assert query.model is not None

    def switched_off(*args: Any) -> Any:
        query.model = None
        return go_on(*args)

    go_on = Task.go_on
    monkeypatch.setattr(Task, "go_on", switched_off)
    (selection,) = answers.learn(["delay"], models=["forest"])
    assert selection.model is not None
    assert query.model is None


def test_learns_in_the_background_until_it_is_closed(path: Path) -> None:
    def learned() -> None:
        with made(path, learns=True) as answers:
            executed(answers, 900)
            until(lambda: answers.query("delay").model is not None)

    learned()
    gc.collect()
    until(lambda: all(each.name != "augury-learning" for each in threading.enumerate()))


def test_is_due_when_enough_has_come_and_a_rest_is_over(answers: Answers) -> None:
    query = answers.query("delay")
    learner = Learner({"delay": query})
    log = query.family.log
    taken: list[int] = []
    for at in range(1_000):
        log.note(((float(at), float(at)), (0.0, 0.0)), {"rows": 1.0}, float(at))
        if learner._is_due(query):
            taken.append(at + 1)
            learner._states[query].noted = log.noted
    assert taken == [250, 500, 750, 1_000]
    learner._states[query].not_before = time.monotonic() + 1_000
    for _ in range(250):
        log.note(((0.0, 0.0), (0.0, 0.0)), {"rows": 1.0}, 0.0)
    assert not learner._is_due(query)
    learner._states[query].not_before = 0.0
    assert learner._is_due(query)


def test_a_model_goes_on_until_there_is_twice_as_much(answers: Answers) -> None:
    asked = questions(1_700)
    for question in asked[:800]:
        answers.ask("delay", exact=True, **question)
    (first,) = answers.learn(["delay"], models=["forest", "tree"])
    for question in asked[800:1_200]:
        answers.ask("delay", exact=True, **question)
    (second,) = answers.learn(["delay"])
    assert first.model is not None
    assert second.model is not None
    assert second.reason == f"{first.model.fit} goes on with 400 more"
    assert second.model.watch is first.model.watch
    assert len(second.model.scores) == len(first.model.scores) + 400
    assert (first.model.compared, second.model.compared) == (800, 800)
    for question in asked[1_200:]:
        answers.ask("delay", exact=True, **question)
    (third,) = answers.learn(["delay"], models=["tree", "forest"])
    assert {each.fit for each in third.trials} == {"tree", "forest"}  # compared anew


def test_what_was_executed_twice_is_no_news(answers: Answers) -> None:
    for question in questions(600):
        answers.ask("delay", exact=True, **question)
    (first,) = answers.learn(["delay"], models=["forest"])
    for question in questions(600)[:300]:
        answers.ask("delay", exact=True, **question)
    (second,) = answers.learn(["delay"], models=["forest"])
    assert first.model is not None
    assert second.model is not None
    assert len(second.model.scores) == len(first.model.scores)


def test_ends_with_its_answers(path: Path) -> None:
    answers = made(path, learns=True)
    learner = weakref.ref(answers._learner)
    del answers
    gc.collect()
    assert learner() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_learns_by_itself(path: Path) -> None:
    code = f"""
import os, time
from pathlib import Path
from tests.unit.test_answers_learner import executed, made, until
answers = made(Path({str(path)!r}), learns=True)
child = os.fork()
if child == 0:
    executed(answers, 900)
    until(lambda: answers.query("delay").model is not None)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert answers.query("delay").model is None
answers.close()
"""
    assert run("", code, 240) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_waits_for_no_lock_of_a_thread_that_it_has_not(path: Path) -> None:
    program = """
with made(Path(sys.argv[1])) as answers:
    executed(answers, 800)
    (learned,) = answers.learn(["count"], models=["cube"])
    query = answers.query("count")
    assert query.model is not None, str(learned)
    model = query.model
    locks = [
        *(each._lock for each in (query.family.log, query.family.vocabulary)),
        *(each._lock for each in (model.watch, model.calibration, model.estimator.cube)),
    ]
    held, done = threading.Event(), threading.Event()

    def hold():
        with contextlib.ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        signal.alarm(20)
        answers.ask("count", exact=True, origin="new", first=1, last=2)
        model.calibration.note(1.0, 1.0, 1.0)
        model.watch.finding()
        answers.learn(["count"], models=["cube"])
        os._exit(0)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
"""
    start = (
        "import contextlib, os, signal, sys, threading\nfrom pathlib import Path\n"
        f"sys.argv[1:] = [{str(path)!r}]\n"
        "from tests.unit.test_answers_learner import executed, made\n"
    )
    run(start, program, 300.0)
