"""Which tables a statement reads, or changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

EVERYTHING = "*"
"""Stands for all tables: what text has changed, nobody knows."""
_NO_ACTION = ("NO ACTION", "RESTRICT")

Tables = frozenset[str]


def concerned(compiled: Any, text: str) -> tuple[Tables, bool]:
    """Return the tables of a statement, and whether it may change them.

    Parameters
    ----------
    compiled
        What SQLAlchemy has made it from; None of text.
    text
        The statement itself.
    """
    from sqlalchemy.sql.elements import (
        ReleaseSavepointClause,
        RollbackToSavepointClause,
        SavepointClause,
        TextClause,
    )
    from sqlalchemy.sql.expression import SelectBase, TableClause, TextualSelect, UpdateBase
    from sqlalchemy.sql.visitors import iterate

    statement = getattr(compiled, "statement", None)
    state = getattr(compiled, "compile_state", None)
    final = getattr(state, "statement", None)  # with what eager loading has joined
    parts = [each for root in (statement, final) if root is not None for each in iterate(root)]
    # Of a select, too: it may have some in a WITH.
    written = [name for each in parts if isinstance(each, UpdateBase) for name in _written(each)]
    if written:
        return frozenset(written), True
    if isinstance(statement, SelectBase) and not isinstance(statement, TextualSelect):
        names = {
            str(getattr(each, "fullname", each.name))
            for each in parts
            if isinstance(each, TableClause)
        }
        unknown = any(isinstance(each, TextClause) for each in parts)
        return frozenset(names | {EVERYTHING} if unknown else names), False
    if isinstance(statement, SavepointClause | RollbackToSavepointClause | ReleaseSavepointClause):
        return frozenset(), False
    return frozenset({EVERYTHING}), not text.lstrip(" \t\r\n(").lower().startswith("select")


def _written(statement: Any) -> Iterator[str]:
    """Return what an insert, update or delete changes, and what the database changes with it."""
    from sqlalchemy import Delete, Table, Update

    table = statement.table
    yield str(getattr(table, "fullname", EVERYTHING))
    if isinstance(table, Table) and isinstance(statement, Update | Delete):
        yield from _followers(table, deletes=isinstance(statement, Delete))


def _followers(table: Any, *, deletes: bool, found: set[Any] | None = None) -> set[str]:
    """Return the tables whose foreign keys let the database change rows of theirs."""
    found = set() if found is None else found
    for other in table.metadata.tables.values():
        for key in other.foreign_keys:
            rule = ((key.ondelete if deletes else key.onupdate) or _NO_ACTION[0]).upper()
            if rule in _NO_ACTION or key.target_fullname.rpartition(".")[0] != table.fullname:
                continue
            too = deletes and rule == "CASCADE"
            if (other.fullname, too) not in found:
                found.add((other.fullname, too))
                _followers(other, deletes=too, found=found)
    return {name for name, _ in found}
