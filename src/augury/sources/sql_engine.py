"""Connections to a database, as a source wants them."""

from __future__ import annotations

import math
import os
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from augury.errors import ConfigurationError, MissingExtraError

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def engine_of(address: str | URL, *, read_only: bool, timeout: float | None) -> Engine:
    """Return an engine for a URL.

    Parameters
    ----------
    address
        The URL. PostgreSQL is reached by psycopg unless it names another driver.
    read_only
        Whether the database is to refuse writes on these connections.
    timeout
        Seconds that a statement (PostgreSQL), or waiting for a lock (SQLite), may take.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # whose text might show a password
        raise ConfigurationError(
            "the database is no URL such as postgresql://user@host/name or sqlite:///file"
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    dialect = url.get_backend_name()
    if read_only and dialect == "sqlite":
        url = _of_existing_file(url)
    settings = _settings(dialect, read_only=read_only, timeout=timeout)
    arguments: dict[str, Any] = {}
    if dialect == "postgresql" and timeout is not None:
        arguments["connect_timeout"] = max(2, math.ceil(timeout))
    try:
        engine = create_engine(url, connect_args=arguments)
    except NoSuchModuleError:
        raise ConfigurationError(f"SQLAlchemy knows no database {url.drivername!r}") from None
    except ModuleNotFoundError as missing:
        if missing.name == "psycopg":
            raise MissingExtraError("psycopg", "sql") from None
        raise ConfigurationError(f"{url.drivername} needs the package {missing.name}") from None
    if settings:

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            cursor = connection.cursor()
            for setting in settings:
                cursor.execute(setting)
            cursor.close()
            connection.commit()

    return engine


def _of_existing_file(url: URL) -> URL:
    """Return a URL of a SQLite file by which SQLite does not make it where it is not."""
    path = url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        return url
    file = quote(os.path.abspath(path))
    return url.set(database=f"file:{file}", query={**url.query, "mode": "rw", "uri": "true"})


def can_restrict(address: str | URL) -> bool:
    """Return whether connections to a database can be made such as only read."""
    try:
        dialect = make_url(address).get_backend_name()
    except (ArgumentError, ValueError):
        return False  # `engine_of` says what is wrong with it
    return _DRIVERS.get(dialect, dialect).split("+")[0] in ("postgresql", "sqlite")


def _settings(dialect: str, *, read_only: bool, timeout: float | None) -> list[str]:
    """Return the statements that prepare a new connection."""
    milliseconds = 0 if timeout is None else max(1, round(timeout * 1000))
    known = {
        "postgresql": (
            "SET default_transaction_read_only = on",
            f"SET statement_timeout = {milliseconds}",
        ),
        "sqlite": ("PRAGMA query_only = on", f"PRAGMA busy_timeout = {milliseconds}"),
    }
    if not read_only and timeout is None:
        return []
    if dialect not in known:
        raise ConfigurationError(
            f"read_only and timeout work with PostgreSQL and SQLite, not {dialect}; "
            "give an Engine that is set up for it"
        )
    restriction, limit = known[dialect]
    return [restriction] * read_only + [limit] * (timeout is not None)


def forget_connections(engine: Engine) -> None:
    """In a forked child: leave the connections to the parent, and open others."""
    if not isinstance(engine.pool, StaticPool | SingletonThreadPool):  # SQLite in memory
        engine.dispose(close=False)
