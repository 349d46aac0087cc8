"""What `Answers` is told of changes in tables, by whom, and what becomes of its answers."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from augury.answers.database import Database
from augury.answers.execution import tag_of
from augury.answers.invalidation import Changes, Version, same_table
from augury.answers.listen import CHANNEL, Listener
from augury.answers.query import Query
from augury.answers.results import Results
from augury.answers.statement import read_statement
from augury.closing import Closing
from augury.errors import ConfigurationError
from augury.parameters import check_instance, check_number


class Changing(Closing):
    """Answers of tables that change. `augury.answers.Answers` inherits it."""

    def __init__(self, database: Database | None, results: Results) -> None:
        self._database = database
        self._results = results
        self._queries: dict[str, Query] = {}
        self._changes = Changes()
        self._listeners: list[Listener] = []

    def changed(self, table: str, rows: int | None = None) -> int:
        """Tell that a table has changed, and return how many queries read it.

        What was kept or inferred before is not served any more. If at most so many rows were
        inserted, deleted or changed, counts of a single table are still known within that many:
        they are served, with their interval that much wider to either side, as long as that is
        within the tolerance. Reports add up. Other processes that share `Tiers` follow as soon
        as the tiers' consistency promises; of a number of rows each has to be told.

        Parameters
        ----------
        table
            Its name, with or without the schema. Tables behind a view are not known: name the
            view, too.
        rows
            How many rows have changed at most. None (the default) if nobody knows.

        Raises
        ------
        ConfigurationError
            If `table` is no name, or `rows` no number of rows.
        InvalidationError
            If other processes may not have heard of it.

        Examples
        --------
        >>> from sqlalchemy import StaticPool, create_engine, text
        >>> engine = create_engine("sqlite://", poolclass=StaticPool)
        >>> with engine.begin() as connection:
        ...     _ = connection.execute(text("CREATE TABLE flights (month INTEGER)"))
        ...     _ = connection.execute(text("INSERT INTO flights VALUES (1), (1), (2)"))
        >>> from augury.answers import Answers
        >>> answers = Answers(engine)
        >>> answers.register(
        ...     "n", "SELECT count(*) FROM flights WHERE month = :m", {"m": int}, tolerance=2
        ... )
        >>> answers.ask("n", m=1).value
        2
        >>> answers.changed("flights", rows=1)
        1
        >>> answer = answers.ask("n", m=1)
        >>> answer.low, answer.high, answer.origin
        (1, 3, 'cache')
        >>> answers.changed("flights")
        1
        >>> answers.ask("n", m=1).origin
        'database'
        """
        if rows is None:
            self._void([table], time.time())
        else:
            self._changes.report(table, rows)
            if rows:
                self._results.drop([tag_of(table, rows=True)])
        return len(self._reading(table))

    def follow(self, table: str, version: str, every: float = 1.0) -> None:
        """Ask the database for a table's version, and take the table for changed with it.

        Parameters
        ----------
        table
            Its name.
        version
            A SELECT of one value that is another one after each change, such as
            ``SELECT max(updated_at) FROM flights``. It should cost little.
        every
            Seconds for which a version counts; so long a change may go unnoticed. Who asks next
            asks for the version first. By default 1.

        Raises
        ------
        ConfigurationError
            If the statement has parameters or would write, or there is no database.
        """
        check_instance("table", table, str)
        check_instance("version", version, str)
        check_number("every", every, unit="seconds")
        database = self._database
        if database is None:
            raise ConfigurationError("a version is asked of a database: give Answers one")
        statement = read_statement(version, database.dialect)
        if statement.parameters:
            raise ConfigurationError("the statement of a version has no parameters")

        def ask() -> Any:
            rows, _ = database.run(f"version of {table}", statement, {})
            return rows[0][statement.place] if rows else None

        def unlearn() -> None:
            self._unlearn(table, time.time())

        self._changes.watch(Version(self._changes, table, ask, every, unlearn))

    def listen(self, *, channel: str = CHANNEL, trust: float = 5.0) -> None:
        """Hear of changes from PostgreSQL, by triggers (see `notify_triggers`), in a thread.

        Until it listens, and while the connection is lost, the database is asked. When it listens
        again, all that was kept is void.

        Parameters
        ----------
        channel
            What the triggers send by. By default ``augury_changes``.
        trust
            Seconds for which what is kept is trusted after the server was last heard, which is
            asked four times as often. By default 5.

        Raises
        ------
        ConfigurationError
            If the database is not PostgreSQL, or a parameter makes no sense.
        MissingExtraError
            If psycopg is not installed.
        """
        if self._database is None or self._database.dialect != "postgresql":
            raise ConfigurationError("only PostgreSQL can be listened to")
        listener = Listener(
            self._database.engine.url, self.changed, self._missed, channel=channel, trust=trust
        )
        self._listeners.append(listener)
        self._changes.watch(listener)

    def _missed(self) -> None:
        """Take all tables for changed."""
        for table in {table for q in self._queries.values() for table in q.statement.tables}:
            self.changed(table)

    def _void(self, tables: Collection[str], before: float) -> None:
        """Serve nothing any more that was kept of tables, or learned of them before a time."""
        for table in tables:
            self._changes.report(table, None)
            self._unlearn(table, before)
        self._results.drop([tag_of(table, rows=False) for table in sorted(tables)])

    def _unlearn(self, table: str, before: float) -> None:
        """Forget what was learned of a table before a time."""
        for query in self._reading(table):
            query.forget(before)

    def _reading(self, table: str) -> list[Query]:
        return [each for each in self._queries.values() if _reads(each.statement.tables, table)]

    def close(self) -> None:
        """End the threads that listen, and close connections of its own."""
        for listener in self._listeners:
            listener.close()
        if self._database is not None:
            self._database.close()


def _reads(tables: Iterable[str], table: str) -> bool:
    return any(same_table(each, table) for each in tables)
