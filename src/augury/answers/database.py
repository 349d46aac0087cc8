"""Runs registered statements, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from augury.answers.statement import Statement
from augury.closing import Closing
from augury.errors import ConfigurationError, MissingExtraError, SourceError
from augury.forks import renew_in_child
from augury.parameters import shown

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, TextClause


class Database(Closing):
    """A database that is read through SQLAlchemy.

    Parameters
    ----------
    address
        A URL, of which it makes an engine of its own; or an ``Engine``, which stays yours to
        close. Statements only read: PostgreSQL, SQLite and DuckDB enforce it, and of other
        databases give an engine whose user may do no more. (Of DuckDB give an engine, too, and of
        SQLite in memory one for all threads is not restricted.)
    timeout
        Seconds that a statement may take; for URLs. By default as the server says.

    Raises
    ------
    ConfigurationError
        If the address makes no sense.
    MissingExtraError
        If SQLAlchemy or the driver is not installed.
    """

    def __init__(self, address: str | URL | Engine, timeout: float | None = None) -> None:
        try:
            from sqlalchemy import URL, Engine
        except ModuleNotFoundError:
            raise MissingExtraError("SQLAlchemy", "answers") from None
        from augury.sources import sql_engine

        self._own = isinstance(address, str | URL)
        if isinstance(address, Engine):
            if timeout is not None:
                raise ConfigurationError("timeout goes with a URL; set up your engine")
            self._engine = address
        elif isinstance(address, str | URL):
            self._engine = sql_engine.engine_of(
                address, read_only=sql_engine.can_restrict(address), timeout=timeout
            )
        else:
            raise ConfigurationError(f"the source must be a URL or an engine, not {shown(address)}")
        self.dialect = self._engine.dialect.name
        """Name of the database, as SQLAlchemy has it."""
        self._texts: dict[str, TextClause] = {}
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: leave the connections to the parent."""
        from augury.sources import sql_engine

        sql_engine.forget_connections(self._engine)

    @property
    def engine(self) -> Engine:
        """What connections are taken from."""
        return self._engine

    def run(
        self, name: str, statement: Statement, values: Mapping[str, Any]
    ) -> tuple[list[tuple[Any, ...]], float]:
        """Return the rows of a statement, and how many seconds that took.

        Raises
        ------
        SourceError
            If the database does not answer, or cannot: a table may have disappeared.
        """
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        clause = self._clause(statement)
        started = perf_counter()
        try:
            try:
                rows = self._rows(clause, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                # The server was restarted since the connection was made, and so were all of the
                # pool, which has dropped them. It was only reading: once more does no harm.
                rows = self._rows(clause, values)
        except SQLAlchemyError as error:
            told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
            raise SourceError(
                f"the database did not answer query {name!r}: {told.splitlines()[0]}"
            ) from error
        return rows, perf_counter() - started

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT without parameters, which is executed as it stands.

        Raises
        ------
        SourceError
            If the database does not answer.
        """
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection, self._reading(connection):
                return [tuple(row) for row in connection.exec_driver_sql(sql)]
        except SQLAlchemyError as error:
            told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
            raise SourceError(f"the database did not answer: {told.splitlines()[0]}") from error

    def _rows(self, clause: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection, self._reading(connection):
            return [tuple(row) for row in connection.execute(clause, dict(values))]

    def is_whole(self, column: str, source: str) -> bool:
        """Return whether a column holds whole numbers only; both as they stand in a statement."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        sql = f"SELECT 1 {source} WHERE {column} <> ROUND({column}) LIMIT 1".replace(":", "\\:")
        try:
            with self._engine.connect() as connection, self._reading(connection):
                return connection.execute(text(sql)).first() is None
        except SQLAlchemyError:
            return False  # it holds no numbers, or the database has no such way to say it

    @contextmanager
    def _reading(self, connection: Connection) -> Iterator[None]:
        """Let a connection of an engine that is not its own do nothing but read, for a while."""
        from sqlalchemy import StaticPool

        if self._own or isinstance(self._engine.pool, StaticPool):
            yield  # those of its own only read; and one for all threads is not to be restricted
        elif self.dialect == "postgresql":
            options: dict[str, Any] = {"postgresql_readonly": True}
            if getattr(connection.connection.dbapi_connection, "autocommit", False):
                options["isolation_level"] = "READ COMMITTED"  # or there is no transaction
            connection.execution_options(**options)
            yield
        elif self.dialect == "sqlite":
            was = connection.exec_driver_sql("PRAGMA query_only").scalar()
            connection.exec_driver_sql("PRAGMA query_only = on")
            try:
                yield
            finally:
                connection.exec_driver_sql(f"PRAGMA query_only = {was}")
        elif self.dialect == "duckdb":
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("BEGIN TRANSACTION READ ONLY")
            yield
        else:
            yield

    def _clause(self, statement: Statement) -> TextClause:
        clause = self._texts.get(statement.text)
        if clause is None:
            from sqlalchemy import bindparam, text

            clause = text(statement.text).bindparams(
                *(bindparam(name, expanding=True) for name in statement.several)
            )
            self._texts[statement.text] = clause
        return clause

    def close(self) -> None:
        """Close the connections, if the engine is its own."""
        if self._own:
            self._engine.dispose()
