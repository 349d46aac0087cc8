"""Rows of a database as a source, by SQLAlchemy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from augury.errors import ConfigurationError, MissingExtraError
from augury.forks import renew_in_child
from augury.parameters import check_instance, check_number
from augury.sources.contract import Source, not_writable
from augury.sources.threads import complete_in_thread

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Executable
    from sqlalchemy.ext.asyncio import AsyncEngine

    from augury.sources.sql_statements import Statements

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class SQL(Source[K, V]):
    """A source that reads rows of a database, many keys in one query, and may write them.

    Either `statement` says how to read, or `table` names what is read and written. A value is a
    dict of plain Python values, column by column, unless `row` says otherwise. An `AsyncEngine` is
    for coroutines only; anything else is used by them in a thread.

    Parameters
    ----------
    database
        A URL, of which the source makes an engine of its own, or an SQLAlchemy ``Engine`` or
        ``AsyncEngine``, which stays yours to close. PostgreSQL and SQLite are tested.
    statement
        A query with the parameter ``:keys``, such as ``SELECT id, name FROM users WHERE id IN
        :keys``, or, in PostgreSQL, ``= ANY(:keys)``; or an SQLAlchemy statement with
        ``bindparam("keys", expanding=True)``.
    key
        The column of the result that is the key, or a tuple of columns, for keys that are tuples.
        The database has to return keys that are equal to those asked for: 1 is not "1".
    table, schema, columns
        The table to read and write, its schema, and the columns that make a value; by default all.
        They are looked up in the database at the first call. Writing is an upsert (PostgreSQL and
        SQLite), for which `key` must be the primary key or have a unique index.
    row
        The column that is the value, or a function that makes the value of the dict. With a
        function the source is not writable.
    chunk
        How many keys go into one query at most. By default 500.
    read_only
        Whether the database is to refuse writes on the connections of this source. For URLs of
        PostgreSQL and SQLite. False by default.
    timeout
        Seconds that a statement may take until the server ends it (PostgreSQL), or that waiting
        for a lock may take (SQLite). For URLs. By default as the server says.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, a table or column does not exist, or the rows do not fit the
        keys.
    MissingExtraError
        If SQLAlchemy or the driver is not installed.

    Examples
    --------
    >>> from sqlalchemy import StaticPool, create_engine, text
    >>> engine = create_engine("sqlite://", poolclass=StaticPool)
    >>> with engine.begin() as connection:
    ...     _ = connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"))
    >>> users = SQL(engine, table="users", key="id", row="name")
    >>> users.store_many({1: "Ada", 2: "Bob"})
    >>> SQL(engine, "SELECT id, name FROM users WHERE id IN :keys", key="id").load_many([2, 3])
    {2: {'id': 2, 'name': 'Bob'}}
    """

    def __init__(
        self,
        database: str | URL | Engine | AsyncEngine,
        statement: str | Executable | None = None,
        *,
        key: str | tuple[str, ...],
        table: str | None = None,
        schema: str | None = None,
        columns: Sequence[str] | None = None,
        row: str | Callable[[dict[str, Any]], V] | None = None,
        chunk: int = 500,
        read_only: bool = False,
        timeout: float | None = None,
    ) -> None:
        try:
            from sqlalchemy import URL, Engine, Executable
            from sqlalchemy.ext.asyncio import AsyncEngine
        except ModuleNotFoundError:
            raise MissingExtraError("SQLAlchemy", "sql") from None
        from augury.sources import sql_engine, sql_statements

        if (statement is None) == (table is None):
            raise ConfigurationError("give either a statement or a table")
        if table is None and not (schema is None and columns is None):
            raise ConfigurationError("schema and columns go with a table")
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise ConfigurationError(f"chunk must be a positive integer, not {chunk!r}")
        if timeout is not None:
            check_number("timeout", timeout)
        check_instance("read_only", read_only, bool)
        if not isinstance(statement, str | Executable | None):
            raise ConfigurationError(f"statement must be text or a statement, not {statement!r}")
        if not (row is None or isinstance(row, str) or callable(row)):
            raise ConfigurationError(f"row must be a column or a function, not {row!r}")
        self._composite = isinstance(key, tuple)
        self._key = key if isinstance(key, tuple) else (key,)
        if not self._key or not all(isinstance(part, str) for part in self._key):
            raise ConfigurationError(f"key must be a column or a tuple of columns, not {key!r}")
        if isinstance(columns, str):
            raise ConfigurationError(f"columns must be a list of names, not {columns!r}")
        self._table, self._schema = table, schema
        self._columns = (row,) if columns is None and isinstance(row, str) else columns
        self._row = row
        self._chunk = chunk
        self._own = isinstance(database, str | URL)
        self._async_engine: AsyncEngine | None = None
        if isinstance(database, str | URL):
            engine = sql_engine.engine_of(database, read_only=read_only, timeout=timeout)
        elif read_only or timeout is not None:
            raise ConfigurationError("read_only and timeout go with a URL; set up your engine")
        elif isinstance(database, AsyncEngine):
            self._async_engine, engine = database, database.sync_engine
        elif isinstance(database, Engine):
            engine = database
        else:
            raise ConfigurationError(f"database must be a URL or an engine, not {database!r}")
        self._engine = engine
        self.asynchronous = self._async_engine is not None
        self.writable = (
            table is not None
            and not read_only
            and not callable(row)
            and engine.dialect.name in sql_statements.UPSERTS
        )
        self._known: Statements | None = None
        if statement is not None:
            self._known = sql_statements.from_text(statement, self._key)
        renew_in_child(self)

    def __repr__(self) -> str:
        return f"SQL({self._engine.url.render_as_string(hide_password=True)!r})"

    def load_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there."""
        return self._reading(self._load, keys)

    async def aload_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there."""
        if self._async_engine is None:
            return await complete_in_thread(self.load_many, keys)
        # A statement is a transaction: two round trips less.
        engine = self._async_engine.execution_options(isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            return await connection.run_sync(self._load, keys)

    def store_many(self, items: Mapping[K, V]) -> None:
        """Write rows, new ones or in place of old ones, all or none."""
        self._writing(self._store, items)

    async def astore_many(self, items: Mapping[K, V]) -> None:
        """Write rows, new ones or in place of old ones, all or none."""
        await self._awriting(self._store, items)

    def remove_many(self, keys: Sequence[K]) -> None:
        """Delete rows, all or none; those that are not there do not matter."""
        self._writing(self._remove, keys)

    async def aremove_many(self, keys: Sequence[K]) -> None:
        """Delete rows, all or none; those that are not there do not matter."""
        await self._awriting(self._remove, keys)

    def close(self) -> None:
        """Close the connections, if the engine is the source's own."""
        if self._own:
            self._engine.dispose()

    def begin_anew(self) -> None:
        """In a forked child, which must not use connections of its parent."""
        from augury.sources.sql_engine import forget_connections

        forget_connections(self._engine)

    def _reading(self, task: Callable[[Connection, Any], T], given: object) -> T:
        self._check_engine()
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            return task(connection, given)

    def _writing(self, task: Callable[[Connection, Any], None], given: object) -> None:
        if not self.writable:
            raise not_writable(self)
        self._check_engine()
        with self._engine.begin() as connection:
            task(connection, given)

    async def _awriting(self, task: Callable[[Connection, Any], None], given: object) -> None:
        if not self.writable:
            raise not_writable(self)
        if self._async_engine is None:
            await complete_in_thread(self._writing, task, given)
        else:
            async with self._async_engine.begin() as connection:
                await connection.run_sync(task, given)

    def _check_engine(self) -> None:
        if self._async_engine is not None:
            raise ConfigurationError(
                f"{self!r} was given an AsyncEngine, which is for coroutines: "
                "use aload_many, or give it an Engine or a URL"
            )

    def _statements(self, connection: Connection) -> Statements:
        if self._known is None:
            from augury.sources.sql_statements import from_table

            assert self._table is not None
            self._known = from_table(
                connection, self._table, self._schema, self._key, self._columns
            )
        return self._known

    def _load(self, connection: Connection, keys: Sequence[K]) -> dict[K, V]:
        statements = self._statements(connection)
        found: dict[K, V] = {}
        for some in self._chunks(keys):
            result = connection.execute(statements.select, {"keys": some})
            if not result.returns_rows:
                raise ConfigurationError(
                    f"the statement of {self!r} returns no rows: give a SELECT"
                )
            names = [str(name) for name in result.keys()]  # noqa: SIM118 - it is no mapping
            places = self._places(statements, names)
            asked = set(some)
            for row in result:
                parts = tuple(row[place] for place in places)
                key = cast("K", parts if self._composite else parts[0])
                if key not in asked:
                    raise ConfigurationError(
                        f"{self!r} returned the key {key!r}, which was not asked for: "
                        "keys must be of the type that the database has"
                    )
                if key in found:
                    raise ConfigurationError(f"{self!r} returned more than one row for {key!r}")
                found[key] = self._value(statements, dict(zip(names, row, strict=True)))
        return found

    def _places(self, statements: Statements, names: list[str]) -> list[int]:
        """Return where in a row the parts of the key are."""
        wanted = {*statements.key, *([self._row] if isinstance(self._row, str) else [])}
        for name in sorted(wanted):
            if name not in names:
                raise ConfigurationError(
                    f"{self!r} returned no column {name!r}, only {', '.join(names)}"
                )
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigurationError(f"{self!r} returned two columns {twice!r}; rename one by AS")
        return [names.index(part) for part in statements.key]

    def _value(self, statements: Statements, row: dict[str, Any]) -> V:
        if isinstance(self._row, str):
            return cast("V", row[self._row])
        for name in statements.hidden:
            del row[name]
        return self._row(row) if self._row is not None else cast("V", row)

    def _store(self, connection: Connection, items: Mapping[K, V]) -> None:
        statements = self._statements(connection)
        self._check(items)
        rows = [self._row_of(statements, key, value) for key, value in items.items()]
        if rows:
            connection.execute(statements.upsert, rows)

    def _row_of(self, statements: Statements, key: K, value: V) -> dict[str, Any]:
        """Return the row of the table that a value makes."""
        named: Any = {self._row: value} if isinstance(self._row, str) else value
        if not isinstance(named, Mapping) or named.keys() != set(statements.columns):
            raise ConfigurationError(
                f"{self!r} cannot store {key!r}: its value must be a dict of "
                f"{', '.join(statements.columns)}"
            )
        parts = cast("tuple[Any, ...]", key if self._composite else (key,))
        row = {**named, **dict(zip(self._key, parts, strict=True))}
        if any(row[name] != named[name] for name in self._key if name in named):
            raise ConfigurationError(f"{self!r} cannot store {key!r}: its value has another key")
        return row

    def _remove(self, connection: Connection, keys: Sequence[K]) -> None:
        statements = self._statements(connection)
        assert statements.delete is not None
        for some in self._chunks(keys):
            connection.execute(statements.delete, {"keys": some})

    def _chunks(self, keys: Sequence[K]) -> Iterator[list[K]]:
        distinct = iter(dict.fromkeys(keys))
        while some := list(itertools.islice(distinct, self._chunk)):
            self._check(some)
            yield some

    def _check(self, keys: Iterable[K]) -> None:
        for key in keys if self._composite else ():
            if not isinstance(key, tuple) or len(key) != len(self._key):
                raise ConfigurationError(
                    f"a key of {self!r} must be a tuple of {', '.join(self._key)}, not {key!r}"
                )
