"""Registered queries: what may be asked, the answers, and how they were come by."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.responses import Response

from augury.answers import Answer, Answers, Parameter, Tolerance
from augury.errors import QueryError
from augury.service.auth import needs, needs_all
from augury.service.json import Json, described
from augury.service.problems import Problem
from augury.service.service import Service


class ParameterView(msgspec.Struct, frozen=True, kw_only=True):
    """What a parameter may be."""

    kind: str
    """``"str"``, ``"int"``, ``"float"``, ``"bool"``, ``"date"`` or ``"datetime"``; the last two as
    text in ISO 8601."""
    several: bool
    """Whether it is a list."""


class RegisteredQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query that may be asked."""

    name: str
    parameters: dict[str, ParameterView]


class AnswersView(msgspec.Struct, frozen=True, kw_only=True):
    """Registered queries of one database."""

    name: str
    queries: list[RegisteredQuery]


class AllAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """All that may be asked."""

    answers: list[AnswersView]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one group."""

    by: list[Any]
    """The values of the columns by which the query groups."""
    value: Any
    low: Any
    high: Any


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and where it comes from.

    Of a query that groups, `value`, `low` and `high` are null, and `groups` has an item a group.
    """

    value: Any
    low: Any
    """It lies between this and `high`, as often as `confidence` says."""
    high: Any
    confidence: float
    origin: str
    """``"cache"``, ``"rollup"``, ``"inferred"`` or ``"database"``."""
    age: float
    """Seconds since the database was read."""
    groups: list[Group] | None = None


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """How queries have been answered so far, and what audits have found."""

    reports: list[dict[str, Any]]


class HowFar(BaseModel):
    """How far an inferred answer may be off: no further than the larger of these."""

    model_config = ConfigDict(extra="forbid")

    absolute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """In the unit of the answer."""
    relative: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """As a share of the answer."""

    @model_validator(mode="after")
    def _has_one(self) -> HowFar:
        if self.absolute is None and self.relative is None:
            raise ValueError("a tolerance is absolute, relative, or both")
        return self


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Question(BaseModel):
    """What to ask."""

    model_config = ConfigDict(extra="forbid")

    query: Name
    """The name of a registered query."""
    parameters: dict[Name, Any] = {}
    """Values of all its parameters."""
    tolerance: HowFar | None = None
    """In place of the one that the query is registered with."""
    exact: bool = False
    """Whether the database has to answer."""


class Change(BaseModel):
    """What has changed."""

    model_config = ConfigDict(extra="forbid")

    table: Name
    rows: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """How many rows at most; none: nobody knows."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """How many queries read what has changed."""

    queries: int


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/answers", tags=["answers"], dependencies=[needs_all])

    def found(name: str) -> Answers:
        try:
            return service.answers[name]
        except KeyError:
            raise Problem(404, "there are no such answers; /v1/answers lists them") from None

    @routes.get("", responses=described(AllAnswers))
    def answers() -> Response:
        """List the registered queries, with their parameters."""
        return Json(
            AllAnswers(
                answers=[
                    AnswersView(name=name, queries=[_seen(each, query) for query in each.names])
                    for name, each in service.answers.items()
                ]
            )
        )

    @routes.post("/{name}/ask", responses=described(Reply))
    def ask(name: str, question: Question) -> Response:
        """Answer a registered query from what is kept, by inference, or by the database."""
        asked = found(name)
        if question.query not in asked.names:
            raise Problem(404, "there is no such query; /v1/answers lists them")
        kinds = asked.query(question.query).parameters
        answer = asked.query(question.query).ask(
            {
                each: _given(each, value, kinds[each]) if each in kinds else value
                for each, value in question.parameters.items()
            },
            exact=question.exact,
            tolerance=None
            if question.tolerance is None
            else Tolerance(question.tolerance.absolute, question.tolerance.relative),
        )
        return Json(_reply(answer))

    @routes.post("/{name}/changed", dependencies=[needs("write")], responses=described(Changed))
    def changed(name: str, change: Change) -> Response:
        """Tell that a table has changed: nothing that was known of it before is served."""
        return Json(Changed(queries=found(name).changed(change.table, change.rows)))

    @routes.get("/{name}/report", responses=described(Reports))
    def report(name: str) -> Response:
        """Tell where answers came from, and what audits have found of the inferred ones."""
        return Json(Reports(reports=[_finite(each.as_dict()) for each in found(name).report()]))

    return routes


def _seen(answers: Answers, query: str) -> RegisteredQuery:
    return RegisteredQuery(
        name=query,
        parameters={
            name: ParameterView(kind=it.kind.__name__, several=it.several)
            for name, it in answers.query(query).parameters.items()
        },
    )


def _given(name: str, value: Any, parameter: Parameter) -> Any:
    """Return a value of a parameter, for which JSON may have no type of its own."""
    if parameter.several and isinstance(value, list):
        return [_one(name, each, parameter.kind) for each in value]
    return _one(name, value, parameter.kind)


def _one(name: str, value: Any, kind: type[Any]) -> Any:
    if kind not in (date, datetime) or not isinstance(value, str):
        return value
    try:
        return kind.fromisoformat(value)
    except ValueError:
        raise QueryError(f"parameter {name} must be a {kind.__name__} in ISO 8601") from None


def _reply(answer: Answer) -> Reply:
    grouped = isinstance(answer.value, dict)
    groups = None
    if grouped:
        groups = [
            Group(
                by=list(group) if isinstance(group, tuple) else [group],
                value=_finite(value),
                low=_finite(answer.low[group]),
                high=_finite(answer.high[group]),
            )
            for group, value in answer.value.items()
        ]
    return Reply(
        value=None if grouped else _finite(answer.value),
        low=None if grouped else _finite(answer.low),
        high=None if grouped else _finite(answer.high),
        confidence=answer.confidence,
        origin=answer.origin,
        age=answer.age,
        groups=groups,
    )


def _finite(value: Any) -> Any:
    """Return a value as JSON has it, which knows no infinite numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
