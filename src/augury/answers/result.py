"""What the database returned for a query, as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from augury.answers.statement import COUNT, ROWS, SUM, Statement
from augury.errors import OutputError


class Result(msgspec.Struct, frozen=True, array_like=True):
    """The value, or one a group, and what it is made of."""

    groups: tuple[tuple[Any, ...], ...]
    """Values of the columns by which the statement groups, one tuple a row."""
    values: tuple[Any, ...]
    """One a row; a statement that does not group has exactly one."""
    parts: tuple[dict[str, float], ...]
    """Measures of each row; empty of what does not add up."""
    time: float
    """Seconds since 1970 at which the database was asked."""


def read_result(
    name: str, statement: Statement, rows: Sequence[tuple[Any, ...]], time: float
) -> Result:
    """Return rows of the database as a result.

    Raises
    ------
    OutputError
        If a statement that does not group returned another number of rows than one.
    """
    by = len(statement.groups)
    if not by and len(rows) > 1:
        raise OutputError(f"query {name!r} returned {len(rows):,} rows, and an answer is one value")
    values = tuple(plain(row[by]) for row in rows) if rows or by else (None,)
    return Result(
        tuple(tuple(plain(each) for each in row[:by]) for row in rows) if by else ((),),
        values,
        tuple(_parts(statement, row[by + 1 :]) for row in rows),
        time,
    )


def _parts(statement: Statement, fetched: Sequence[Any]) -> dict[str, float]:
    names = {ROWS: "rows", COUNT: f"count:{statement.column}", SUM: f"sum:{statement.column}"}
    return {
        names[name]: 0.0 if value is None else float(value)
        for name, value in zip(statement.fetched[1:], fetched, strict=True)
    }


def plain(value: Any) -> Any:
    """Return a database's number as Python's own."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return float(value) if hasattr(value, "__float__") else value
