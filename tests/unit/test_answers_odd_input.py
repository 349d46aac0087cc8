"""What newcomers give by mistake: a right answer, or one clear line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

import sqlalchemy

from augury.answers import Answers, Budget, Loss, Parameter, Privacy, Tolerance, notify_triggers
from augury.errors import AuguryError, ConfigurationError, OutputError, QueryError, SourceError

ODD: list[Any] = [
    *(10**400, 10**5000, -1.5, float("nan"), b"x", (), {}, object(), np.array([1, 2])),
    *("\ud800", "a\0b", "x" * 10_000),
]
COUNT = "SELECT count(*) FROM f WHERE c = :c"


@pytest.fixture
def engine() -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE f (c TEXT, m INT, x REAL)"))
        rows = "INSERT INTO f VALUES ('UA', 1, 5), ('UA', 2, 9), ('AA', 2, 1)"
        connection.execute(sqlalchemy.text(rows))
    return engine


def test_a_whole_number_is_a_float_where_the_parameter_is(engine: sqlalchemy.Engine) -> None:
    with Answers(engine, learns=False) as answers:
        answers.register("share", "SELECT 5 / :by FROM f LIMIT 1", {"by": float})
        assert answers.ask("share", by=2).value == 2.5
        assert answers.ask("share", by=2.0).value == 2.5
        assert answers.ask_many("share", by=[4]).values.tolist() == [1.25]


def test_moments_of_time_zones_are_refused() -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    later = moment.astimezone(timezone(timedelta(hours=2)))
    with Answers(learns=False) as answers:
        answers.register("hour", lambda when: when.hour, {"when": datetime})
        for odd in (moment, later):
            with pytest.raises(QueryError, match="when must be a datetime without a time zone"):
                answers.ask("hour", when=odd)
            with pytest.raises(QueryError, match="when must be a datetime without a time zone"):
                answers.ask_many("hour", when=np.array([odd], object))
        assert answers.ask("hour", when=later.replace(tzinfo=None)).value == 2
        assert answers.ask("hour", when=moment.replace(tzinfo=None)).value == 0
    with pytest.raises(ConfigurationError, match="is no datetime"):
        Parameter(datetime, least=moment)


CONSTRUCTORS: dict[str, Callable[[Any], object]] = {
    "source": Answers,
    "audits": lambda odd: Answers(audits=odd),
    "learns": lambda odd: Answers(learns=odd),
    "budget": lambda odd: Answers(budget=odd),
    "registry": lambda odd: Answers(registry=odd),
    "tolerance": lambda odd: Tolerance(absolute=odd),
    "kind": Parameter,
    "several": lambda odd: Parameter(int, several=odd),
    "values": lambda odd: Parameter(int, values=[odd]),
    "least": lambda odd: Parameter(int, least=odd),
    "epsilon": lambda odd: Privacy(epsilon=odd),
    "delta": lambda odd: Loss(1, delta=odd),
    "bounds": lambda odd: Privacy(epsilon=1, bounds=odd),
    "tenants": lambda odd: Budget("none", odd),
    "path": lambda odd: Budget(odd, {}),
    "created": lambda odd: Budget.create(odd, {}),
    "table": notify_triggers,
    "channel": lambda odd: notify_triggers("f", odd),
}
METHODS: dict[str, Callable[[Answers, Any], object]] = {
    "register": lambda answers, odd: answers.register(odd, COUNT + " ", {}),
    "statement": lambda answers, odd: answers.register("new", odd, {}),
    "parameters": lambda answers, odd: answers.register("new", COUNT, odd),
    "parameter": lambda answers, odd: answers.register("new", COUNT, {"c": odd}),
    "tolerance": lambda answers, odd: answers.register("new", COUNT, {"c": str}, tolerance=odd),
    "confidence": lambda answers, odd: answers.register("new", COUNT, {"c": str}, confidence=odd),
    "labels": lambda answers, odd: answers.register("new", COUNT, {"c": str}, labels=odd),
    "privacy": lambda answers, odd: answers.register("new", COUNT, {"c": str}, privacy=odd),
    "sample": lambda answers, odd: answers.register("new", COUNT, {"c": str}, sample=odd),
    "ask": lambda answers, odd: answers.ask(odd),
    "sql": lambda answers, odd: answers.sql(odd),
    "plan": lambda answers, odd: answers.plan(odd),
    "query": lambda answers, odd: answers.query(odd),
    "names": lambda answers, odd: answers.learn([odd]),
    "models": lambda answers, odd: answers.learn(models=[odd]),
    "rows": lambda answers, odd: answers.changed("f", odd),
    "version": lambda answers, odd: answers.follow("f", odd),
    "every": lambda answers, odd: answers.follow("f", "SELECT max(m) FROM f", odd),
}


def check_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(AuguryError) as told:
        ask()
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_constructors_refuse_what_makes_no_sense(
    name: str, odd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name in ("path", "created") and isinstance(odd, str) and len(odd) > 1_000:
        pytest.skip("errors show paths as they are")
    check_refused(lambda: CONSTRUCTORS[name](odd))


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", METHODS)
def test_methods_refuse_what_makes_no_sense(name: str, odd: Any, engine: sqlalchemy.Engine) -> None:
    with Answers(engine, learns=False) as answers:
        answers.register("known", COUNT, {"c": str}, tolerance=1)
        check_refused(lambda: METHODS[name](answers, odd))
        assert answers.ask("known", c="UA").value == 2


@pytest.mark.parametrize("odd", [3, b"f", [], None, np.array([1, 2])])
def test_names_are_texts(odd: Any, engine: sqlalchemy.Engine) -> None:
    with Answers(engine, learns=False) as answers:
        answers.register("known", COUNT, {"c": str}, tolerance=1)
        check_refused(lambda: answers.changed(odd))
        check_refused(lambda: answers.follow(odd, "SELECT max(m) FROM f"))
        check_refused(lambda: answers.register("new", lambda **_: 1, {"a\0b": int}))
        if odd is not None:
            check_refused(lambda: answers.ask("known", tenant=odd, c="UA"))


def test_learning_of_a_text_is_refused(engine: sqlalchemy.Engine) -> None:
    with Answers(engine, learns=False) as answers:
        answers.register("known", COUNT, {"c": str}, tolerance=1)
        with pytest.raises(ConfigurationError, match="names must be a list or None, not 'known'"):
            answers.learn("known")
        with pytest.raises(ConfigurationError, match="models must be a list or None, not 5"):
            answers.learn(models=5)  # type: ignore[arg-type]


def test_limits_that_nothing_is_within_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no value is both at least 5 and at most 1"):
        Parameter(int, least=5, most=1)


async def awaited(x: int) -> int:
    return x


class Awaited:
    async def __call__(self, x: int) -> int:
        return x


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda: 1, "does not take its parameters: got an unexpected keyword argument 'x'"),
        (lambda x, y: 1, "does not take its parameters: missing a required argument: 'y'"),
        (awaited, "is a coroutine, which nobody would await"),
        (Awaited(), "is a coroutine, which nobody would await"),
    ],
)
def test_functions_that_cannot_be_called_are_refused(
    function: Callable[..., Any], told: str
) -> None:
    with Answers(learns=False) as answers, pytest.raises(ConfigurationError, match=told):
        answers.register("odd", function, {"x": int})


@pytest.mark.parametrize("value", [[1.0, 2.0], [1.0]])
def test_a_function_that_returns_an_array_is_told_so(value: list[float]) -> None:
    with Answers(learns=False) as answers:
        answers.register("odd", lambda x: np.array(value), {"x": int}, tolerance=1)
        with pytest.raises(OutputError, match="an answer is one value, not a ndarray"):
            answers.ask("odd", x=1)


@pytest.mark.parametrize("value", ["UA", [1], (1, 2), {"a": 1}, 10**400, b"x"])
def test_answers_that_are_no_numbers_are_objects(value: Any) -> None:
    with Answers(learns=False) as answers:
        answers.register("odd", lambda x: value if x else None, {"x": int}, tolerance=1)
        columns = answers.ask_many("odd", x=[1, 0])
        assert columns.values.tolist() == columns.lows.tolist() == [value, None]
        assert answers.ask("odd", x=1).value == value


def test_what_a_function_raises_is_raised() -> None:
    def failing(x: int) -> float:
        raise LookupError("no such shop")

    with Answers(learns=False) as answers:
        answers.register("odd", failing, {"x": int}, tolerance=1)
        with pytest.raises(LookupError, match="no such shop"):
            answers.ask("odd", x=1)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with Answers(f"sqlite:///{tmp_path / 'none.db'}", learns=False) as answers:
        answers.register("n", COUNT, {"c": str})
        with pytest.raises(SourceError, match="unable to open database file"):
            answers.ask("n", c="UA")
    assert not any(tmp_path.iterdir())


def test_a_file_of_an_odd_name_is_read(tmp_path: Path) -> None:
    url = sqlalchemy.URL.create("sqlite", database=str(tmp_path / "odd? #%41 \u00e9.db"))
    maker = sqlalchemy.create_engine(url)
    with maker.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE f (c TEXT)"))
    maker.dispose()
    with Answers(url, learns=False) as answers:
        answers.register("n", COUNT, {"c": str})
        assert answers.ask("n", c="UA").value == 0


def test_an_answer_is_shown_without_what_explains_it(engine: sqlalchemy.Engine) -> None:
    with Answers(engine, learns=False) as answers:
        answers.register("n", COUNT, {"c": str})
        shown = repr(answers.ask("n", c="UA"))
    assert shown.startswith(
        "Answer(value=2, low=2, high=2, confidence=1.0, origin='database', age="
    )
    assert "reasons" not in shown
