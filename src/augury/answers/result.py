"""What the database returned for a query, as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

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
        If a statement that does not group returned several rows, or one an array.
    """
    by = statement.places
    if not by and len(rows) > 1:
        raise OutputError(f"query {name!r} returned {len(rows):,} rows, and an answer is one value")
    if not by and not rows:
        return Result(((),), (None,), ({},), time)
    return Result(
        tuple(tuple(plain(row[place]) for place in by) for row in rows),
        tuple(plain(row[statement.place]) for row in rows),
        tuple(_parts(statement, row) for row in rows),
        time,
    )


def _parts(statement: Statement, row: Sequence[Any]) -> dict[str, float]:
    """Return what a row says of measures."""
    column = statement.column
    if statement.kind == "value":
        return {}
    value = row[statement.place]
    if statement.kind == "count" and column == "*":
        return {"rows": float(value)}
    fetched = len(statement.fetched) - 1
    also = dict(zip(statement.fetched[1:], row[len(row) - fetched :], strict=True))
    rows = float(also[ROWS])
    if statement.kind == "count":
        return {"rows": rows, f"count:{column}": float(value)}
    count = float(also[COUNT])
    try:
        total = 0.0 if value is None else float(value)
        if statement.kind == "avg":
            total = float(also[SUM] or 0.0) if SUM in also else total * count
    except TypeError:  # such as a mean of intervals of time
        return {"rows": rows, f"count:{column}": count}
    return {"rows": rows, f"count:{column}": count, f"sum:{column}": total}


def plain(value: Any) -> Any:
    """Return a database's number as Python's own.

    Raises
    ------
    OutputError
        If it is an array, of which nobody could say how far it is off.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    try:
        return float(value) if hasattr(value, "__float__") else value
    except (TypeError, ValueError):
        raise OutputError(f"an answer is one value, not a {type(value).__name__}") from None
