"""The statements with which a source reads and writes a database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Connection,
    Delete,
    Executable,
    MetaData,
    Table,
    bindparam,
    delete,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import NoSuchTableError

from augury.errors import ConfigurationError

KEYS = "keys"
"""The bind parameter that stands for the keys."""

UPSERTS = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""How a row is inserted, or updated if it is there, by dialect."""


@dataclass(frozen=True)
class Statements:
    """What is executed. The keys go into the parameter `KEYS`."""

    select: Executable
    key: tuple[str, ...]
    """Names of the columns of the result that make the key."""
    hidden: frozenset[str] = frozenset()
    """Names of columns of the result that are no part of a value."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a table that make a value."""
    upsert: Any = None
    delete: Delete | None = field(default=None)


def from_text(statement: str | Executable, key: tuple[str, ...]) -> Statements:
    """Return the statements of a query of the user's."""
    if not isinstance(statement, str):
        return Statements(statement, key)
    if not re.search(rf"(?<!:):{KEYS}\b", statement):
        raise ConfigurationError(f"the statement has no parameter :{KEYS}, as in WHERE id IN :keys")
    # ANY takes an array, in one parameter; IN one parameter for each key.
    expanding = not re.search(rf"\b(ANY|ALL|UNNEST)\s*\(\s*:{KEYS}\b", statement, re.IGNORECASE)
    return Statements(text(statement).bindparams(bindparam(KEYS, expanding=expanding)), key)


def from_table(
    connection: Connection,
    name: str,
    schema: str | None,
    key: tuple[str, ...],
    columns: Sequence[str] | None,
) -> Statements:
    """Return the statements that read and write a table, whose columns are looked up."""
    try:
        table = Table(name, MetaData(), schema=schema, autoload_with=connection)
    except NoSuchTableError:
        raise ConfigurationError(f"the database has no table {name!r}") from None
    there = [str(column.name) for column in table.columns]
    chosen = tuple(there if columns is None else columns)
    unknown = [column for column in (*key, *chosen) if column not in there]
    if unknown:
        raise ConfigurationError(
            f"table {name!r} has no column {unknown[0]!r}; it has {', '.join(there)}"
        )
    parts = [table.columns[part] for part in key]
    labels = tuple(f"augury_key_{number}" for number in range(len(parts)))
    keys: Any = bindparam(KEYS, expanding=True)
    these = parts[0].in_(keys) if len(parts) == 1 else tuple_(*parts).in_(keys)
    return Statements(
        select(
            *(part.label(label) for part, label in zip(parts, labels, strict=True)),
            *(table.columns[column] for column in chosen),
        ).where(these),
        labels,
        frozenset(labels),
        chosen,
        _upsert(connection.dialect.name, table, key, chosen),
        delete(table).where(these),
    )


def _upsert(dialect: str, table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    if dialect not in UPSERTS:
        return None
    insert: Any = UPSERTS[dialect](table)
    changed = {column: insert.excluded[column] for column in columns if column not in key}
    if not changed:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    return insert.on_conflict_do_update(index_elements=list(key), set_=changed)
