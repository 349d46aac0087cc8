"""Many queries at once are the same queries as one by one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.answers import Answers
from augury.answers.many import Columns
from augury.answers.parameter import Parameter
from augury.answers.region import Binding, Vocabulary
from augury.answers.statement import Condition
from augury.errors import QueryError

OPERATORS = [[">=", "<="], [">", "<"], [">=", "<"], ["="], [">"], ["<="], [">=", ">"]]


@given(
    st.sampled_from(OPERATORS),
    st.sampled_from([int, float]),
    st.lists(
        st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from("abcx")), min_size=1
    ),
)
def test_boxes_are_those_of_single_queries(
    operators: list[str], kind: type[Any], rows: list[tuple[int, int, str]]
) -> None:
    names = ["low", "high"][: len(operators)]
    parameters = {name: Parameter(kind) for name in names} | {"c": Parameter(str)}
    conditions = [Condition("x", o, n) for o, n in zip(operators, names, strict=True)]
    conditions.append(Condition("c", "=", "c"))
    binding = Binding(conditions, [], parameters)
    vocabulary = Vocabulary(binding.dimensions)
    for value in "cab":
        vocabulary.number(0, value)
    given = {"low": [kind(row[0]) for row in rows], "high": [kind(row[1]) for row in rows]}
    given = {name: given[name] for name in names} | {"c": [row[2] for row in rows]}
    columns = Columns("q", parameters, {name: np.array(v) for name, v in given.items()})
    boxes = columns.boxes(binding.dimensions, conditions, vocabulary.values)
    for at, row in enumerate(columns.rows(np.arange(len(rows)))):
        box = vocabulary.box(binding.region(row))
        if box is None:
            assert np.isnan(boxes[at]).any()
        else:
            assert boxes[at].tolist() == [list(side) for side in box]


def test_dates_are_seconds() -> None:
    days = [date(2013, 1, 1), date(2013, 7, 1)]
    times = [datetime(2013, 1, 1, 12), datetime(2013, 7, 1, 0, 0, 1)]
    parameters = {"day": Parameter(date), "time": Parameter(datetime)}
    conditions = [Condition("day", ">=", "day"), Condition("time", "<", "time")]
    binding = Binding(conditions, [], parameters)
    vocabulary = Vocabulary(binding.dimensions)
    columns = Columns(
        "q", parameters, {"day": np.array(days, "O"), "time": np.array(times, "M8[s]")}
    )
    boxes = columns.boxes(binding.dimensions, conditions, vocabulary.values)
    for at, (day, time) in enumerate(zip(days, times, strict=True)):
        box = vocabulary.box(binding.region({"day": day, "time": time}))
        assert box is not None
        assert boxes[at].tolist() == [list(side) for side in box]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"x": [1, 2], "y": ["a"]}, "arrays of one length, not of 1, 2"),
        ({"x": 1, "y": "a"}, "not of none"),
        ({"x": [1.0], "y": "a"}, "x must be an array of int, not of float64"),
        ({"x": [[1]], "y": "a"}, "x must be an array of int"),
        ({"x": [[1], [2, 3]], "y": "a"}, "ragged"),
        ({"x": [13], "y": "a"}, "x must be at most 12, not 13"),
        ({"x": [2**60], "y": "a"}, "x must be a whole number"),
        ({"x": [1], "y": ["c"]}, "y has no value 'c'"),
        ({"x": [1], "y": [b"a"]}, "y must be an array of str"),
        ({"x": [None], "y": "a"}, "x must be an array of int"),
    ],
)
def test_refuses_other_columns(given: dict[str, Any], told: str) -> None:
    parameters = {"x": Parameter(int, most=12), "y": Parameter(str, values=["a", "b"])}
    with pytest.raises(QueryError, match=told):
        Columns("q", parameters, given)


def test_refuses_what_is_not_finite() -> None:
    for odd in (np.nan, np.inf, -np.inf):
        with pytest.raises(QueryError, match="x must be a finite number"):
            Columns("q", {"x": Parameter(float)}, {"x": [1.0, odd]})
    with pytest.raises(QueryError, match=r"cannot be NaT|must be a date"):
        Columns("q", {"x": Parameter(date)}, {"x": np.array(["NaT"], "M8[D]")})


def test_texts_are_answered_as_objects() -> None:
    with Answers(learns=False) as answers:
        answers.register("name", lambda key: [None, "a", 2.5][key], {"key": int})
        found = answers.ask_many("name", key=[0, 1, 2])
        assert found.values.tolist() == [None, "a", 2.5]
        assert found.lows.tolist() == found.highs.tolist() == [None, "a", 2.5]


@pytest.mark.parametrize(("kind", "unit"), [(date, "D"), (date, "ns"), (datetime, "ns")])
def test_points_in_time_of_any_unit_can_be_asked_one_by_one(kind: type[Any], unit: str) -> None:
    columns = Columns(
        "q", {"when": Parameter(kind)}, {"when": np.array(["2013-07-01"], f"M8[{unit}]")}
    )
    (row,) = columns.rows(np.arange(1))
    assert row == {"when": kind(2013, 7, 1)}
    assert type(row["when"]) is kind


def test_an_hour_is_no_date() -> None:
    with pytest.raises(QueryError, match="day cannot be 2013-07-01T12"):
        Columns("q", {"day": Parameter(date)}, {"day": np.array(["2013-07-01T12"], "M8[h]")})
