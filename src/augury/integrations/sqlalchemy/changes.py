"""Which tables change, and when: heard from the connections of an engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from augury.closing import Closing
from augury.integrations.sqlalchemy.statements import EVERYTHING, Tables, concerned

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_numbers = count()


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known when a read began."""

    at: int
    """How many changes there had been."""
    changing: Tables
    """What transactions had changed that may not have ended."""


@dataclass(slots=True)
class _Known:
    """What is known of a connection."""

    changed: set[str] = field(default_factory=set)
    """Tables, by its transaction so far."""
    begun: int = -1
    """How many changes there had been when its transaction began."""
    reads: set[str] | None = None
    """Takes the names of the tables that it reads, if anybody wants them."""


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
        self._name = f"augury.changes.{next(_numbers)}"  # an engine may have several of us
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

    def own(self, connection: Connection) -> set[str]:
        """Return what the transaction of a connection has changed so far."""
        return self._known(connection.info).changed

    def begun(self, connection: Connection) -> int:
        """Return how many changes there had been when its transaction began."""
        return self._known(connection.info).begun

    def watch(self, connection: Connection) -> set[str]:
        """Return a set that takes the names of the tables that a connection reads from now on."""
        reads: set[str] = set()
        self._known(connection.info).reads = reads
        return reads

    def unwatch(self, connection: Connection) -> None:
        """End what `watch` began."""
        self._known(connection.info).reads = None

    def _known(self, info: dict[str, Any]) -> _Known:
        known: _Known = info.setdefault(self._name, _Known())
        return known

    # ------------------------------------------------------------ told by SQLAlchemy

    def _begins(self, connection: Connection) -> None:
        self._over(connection.info)  # of the transaction before
        self._known(connection.info).begun = self.moment().at

    def _executed(
        self,
        connection: Connection,
        _cursor: Any,
        statement: str,
        _parameters: Any,
        context: Any,
        _many: bool,
    ) -> None:
        tables, changes = concerned(getattr(context, "compiled", None), statement)
        known = self._known(connection.info)
        if not changes:
            if known.reads is not None:
                known.reads |= tables
            return
        with self._lock:
            self._changing.update(tables - known.changed)
            known.changed |= tables
            if connection._is_autocommit_isolation():
                self._note(tables)

    def _commits(self, connection: Connection) -> None:
        with self._lock:
            self._note(self.own(connection))

    def _over(self, info: dict[str, Any], *, undone: bool = False) -> None:
        known = self._known(info)
        changed, known.changed = known.changed, set()
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
