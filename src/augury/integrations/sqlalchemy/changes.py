"""Which tables change, and when: heard from the connections of an engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augury.closing import Closing

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

EVERYTHING = "*"
"""Stands for all tables: what text has changed, nobody knows."""
_CHANGED, _BEGUN, _READ = "augury.changed", "augury.begun", "augury.read"

Tables = frozenset[str]


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known when a read began."""

    at: int
    """How many changes there had been."""
    changing: Tables
    """What transactions had changed that may not have ended."""


class Changes(Closing):
    """Numbers the changes of an engine's tables.

    A table counts as *changing* from the statement that changes it until its transaction is over
    for certain: the connection is given back, or begins the next one. What is read meanwhile may be
    from before or after, and is not to be kept. Its last change is numbered before the commit, so
    that nobody is served what it makes wrong, and again when it is over.

    Parameters
    ----------
    engine
        Whose connections are listened to.
    """

    def __init__(self, engine: Engine) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._last: dict[str, int] = {}
        self._changing: Counter[str] = Counter()
        self._listeners: list[tuple[Any, str, Callable[..., Any]]] = [
            (engine, "begin", self._begins),
            (engine, "after_cursor_execute", self._executed),
            (engine, "commit", self._commits),
            (engine, "commit_twophase", lambda conn, *_: self._commits(conn)),
            (engine, "rollback", lambda conn: self._over(conn.info, undone=True)),
            (engine, "rollback_twophase", lambda conn, *_: self._over(conn.info, undone=True)),
            (engine.pool, "checkin", lambda _, record: self._over(record.info)),
            (engine.pool, "invalidate", lambda _, record, __: self._over(record.info)),
        ]
        from sqlalchemy import event

        for listener in self._listeners:
            event.listen(*listener)

    def close(self) -> None:
        """Listen no more. A second call does nothing."""
        from sqlalchemy import event

        for listener in self._listeners:
            event.remove(*listener)
        self._listeners = []

    def report(self, tables: Iterable[str]) -> None:
        """Tell of changes that nobody could hear of."""
        with self._lock:
            self._note(tables)

    def moment(self) -> Moment:
        """Return what is known at present."""
        with self._lock:
            return Moment(self._number, frozenset(self._changing))

    def unchanged(self, tables: Tables, since: int) -> bool:
        """Return whether none of these tables has changed since a moment."""
        with self._lock:
            return all(self._last.get(each, 0) <= since for each in (*tables, EVERYTHING))

    @staticmethod
    def own(connection: Connection) -> set[str]:
        """Return what the transaction of a connection has changed so far."""
        changed: set[str] = connection.info.get(_CHANGED, set())
        return changed

    @staticmethod
    def begun(connection: Connection) -> int:
        """Return how many changes there had been when its transaction began."""
        at: int = connection.info.get(_BEGUN, -1)
        return at

    @staticmethod
    def watch(connection: Connection) -> set[str]:
        """Return a set that takes the names of the tables that a connection reads from now on."""
        reads: set[str] = set()
        connection.info[_READ] = reads
        return reads

    @staticmethod
    def unwatch(connection: Connection) -> None:
        """End what `watch` began."""
        connection.info.pop(_READ, None)

    # ------------------------------------------------------------ told by SQLAlchemy

    def _begins(self, connection: Connection) -> None:
        self._over(connection.info)  # of the transaction before
        connection.info[_BEGUN] = self.moment().at

    def _executed(
        self,
        connection: Connection,
        _cursor: Any,
        statement: str,
        _parameters: Any,
        context: Any,
        _many: bool,
    ) -> None:
        compiled = getattr(context, "compiled", None)
        tables, changes = concerned(compiled, statement)
        if not changes:
            connection.info.get(_READ, set()).update(tables)
            return
        with self._lock:
            own = connection.info.setdefault(_CHANGED, set())
            self._changing.update(tables - own)
            own |= tables
            if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
                self._note(tables)

    def _commits(self, connection: Connection) -> None:
        with self._lock:
            self._note(self.own(connection))

    def _over(self, info: dict[str, Any], *, undone: bool = False) -> None:
        changed = info.pop(_CHANGED, None)
        if changed:
            with self._lock:
                self._changing.subtract(changed)
                self._changing += Counter()  # only what is above 0 stays
                if not undone:
                    self._note(changed)

    def _note(self, tables: Iterable[str]) -> None:
        self._number += 1
        for table in tables:
            self._last[table] = self._number


def concerned(compiled: Any, text: str) -> tuple[Tables, bool]:
    """Return the tables of a statement, and whether it may change them.

    Parameters
    ----------
    compiled
        What SQLAlchemy has made it from; None of text.
    text
        The statement itself.
    """
    from sqlalchemy.sql.expression import (
        SelectBase,
        TableClause,
        TextClause,
        TextualSelect,
        UpdateBase,
    )
    from sqlalchemy.sql.visitors import iterate

    statement = getattr(compiled, "statement", None)
    state = getattr(compiled, "compile_state", None)
    final = getattr(state, "statement", None)  # with what eager loading has joined
    parts = [each for root in (statement, final) if root is not None for each in iterate(root)]
    if isinstance(statement, SelectBase) and not isinstance(statement, TextualSelect):
        written = [each.table for each in parts if isinstance(each, UpdateBase)]  # in a CTE
        if written:
            return frozenset(str(getattr(it, "fullname", EVERYTHING)) for it in written), True
        names = {
            str(getattr(each, "fullname", each.name))
            for each in parts
            if isinstance(each, TableClause)
        }
        unknown = any(isinstance(each, TextClause) for each in parts)
        return frozenset(names | {EVERYTHING} if unknown else names), False
    if isinstance(statement, UpdateBase):
        return frozenset({str(getattr(statement.table, "fullname", EVERYTHING))}), True
    return frozenset({EVERYTHING}), not text.lstrip(" \t\r\n(").lower().startswith("select")
