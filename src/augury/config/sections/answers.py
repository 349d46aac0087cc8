"""``[answers.NAME]``: registered queries in front of a database."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from augury.config.secret import SecretUrl
from augury.config.sections.section import Name, Section

Kind = Literal["str", "int", "float", "bool", "date", "datetime"]


def _value(given: Any) -> Any:
    if not isinstance(given, bool | int | float | datetime | date | str):
        raise ValueError("must be a text, a number, true or false, or a date")
    return given


Value = Annotated[Any, AfterValidator(_value)]


class ParameterSection(Section):
    """What a parameter may be, or only its `kind` as text: ``parameters.NAME = "int"``."""

    kind: Kind
    """Its type."""
    several: bool = False
    """Whether it is a list of values; as text ``"list[int]"``."""
    values: tuple[Value, ...] | None = None
    """All values that are allowed; none: any."""
    least: Value | None = None
    """The least value that is allowed."""
    most: Value | None = None
    """The most that is allowed."""


class ToleranceSection(Section):
    """How far an inferred answer may be off: no further than the larger of these."""

    absolute: Annotated[float, Field(gt=0)] | None = None
    """In the answer's unit; as a plain number ``tolerance = 2``."""
    relative: Annotated[float, Field(gt=0)] | None = None
    """As a share of the answer; as text ``tolerance = "5%"``."""


def _parameter(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if given.startswith("list[") and given.endswith("]"):
        return {"kind": given.removeprefix("list[").removesuffix("]"), "several": True}
    return {"kind": given}


def _tolerance(given: Any) -> Any:
    if isinstance(given, str):
        number = given.strip().removesuffix("%")
        try:
            share = float(number)
        except ValueError:
            raise ValueError("must be a number, or a share such as '5%'") from None
        return {"relative": share / 100} if given.strip().endswith("%") else {"absolute": share}
    if isinstance(given, int | float) and not isinstance(given, bool):
        return {"absolute": given}
    return given


class QuerySection(Section):
    """A query that may be asked: ``[answers.NAME.queries.QUERY]``."""

    sql: str
    """A SELECT with parameters such as :month; see docs/answers.md."""
    parameters: dict[str, Annotated[ParameterSection, BeforeValidator(_parameter)]] = Field(
        default_factory=dict
    )
    """The type of each parameter."""
    tolerance: Annotated[ToleranceSection, BeforeValidator(_tolerance)] | None = None
    """How far an inferred answer may be off; none: answers are never inferred."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """How often at least inferred answers are within their interval."""
    labels: bool = False
    """Whether it returns names of classes."""
    sample: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the rows that models may also be made of."""


class AnswersSection(Section):
    """Answers in front of one database: ``[answers.NAME]``."""

    database: SecretUrl
    """URL of the database, as SQLAlchemy takes it."""
    audits: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the inferred answers that are verified in the background."""
    learns: bool = True
    """Whether models are made in the background."""
    cache: str | None = None
    """The cache that keeps the database's answers; none: one of its own."""
    listen: bool = False
    """Whether PostgreSQL tells of changes of tables; see docs/answers-changes.md."""
    queries: dict[Name, QuerySection] = Field(default_factory=dict)
    """All that may be asked."""
