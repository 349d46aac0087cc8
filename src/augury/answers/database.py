"""Runs registered statements, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from augury.answers.statement import Statement
from augury.closing import Closing
from augury.errors import ConfigurationError, MissingExtraError, SourceError

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine, TextClause


class Database(Closing):
    """A database that is read through SQLAlchemy.

    Parameters
    ----------
    address
        A URL, of which it makes an engine of its own whose connections only read, where the
        database has such a thing (PostgreSQL and SQLite); or an ``Engine``, which stays yours to
        close, and to restrict.
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
            raise ConfigurationError(f"the source must be a URL or an engine, not {address!r}")
        self.dialect = self._engine.dialect.name
        """Name of the database, as SQLAlchemy has it."""
        self._texts: dict[str, TextClause] = {}

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
        from sqlalchemy.exc import SQLAlchemyError

        clause = self._clause(statement)
        started = perf_counter()
        try:
            with self._engine.connect() as connection:
                found = connection.execute(clause, {**values, **statement.constants})
                rows = [tuple(row) for row in found]
        except SQLAlchemyError as error:
            told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
            raise SourceError(
                f"the database did not answer query {name!r}: {told.splitlines()[0]}"
            ) from error
        return rows, perf_counter() - started

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
