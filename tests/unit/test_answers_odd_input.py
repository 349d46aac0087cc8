"""What newcomers give by mistake: a right answer, or one clear line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")

import sqlalchemy

from augury.answers import Answers, Parameter
from augury.errors import ConfigurationError, QueryError


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
