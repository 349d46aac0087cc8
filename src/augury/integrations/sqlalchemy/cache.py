"""Results of the ORM's queries, kept until they are too old or a table of theirs changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from augury.cache import Cache
from augury.closing import Closing
from augury.errors import ConfigurationError, MissingExtraError
from augury.integrations.sqlalchemy.changes import Changes
from augury.integrations.sqlalchemy.statements import EVERYTHING, Tables
from augury.loading import Ttl, check_ttl
from augury.parameters import check_instance

try:
    from sqlalchemy import Connection, Engine, Result, event, inspect
    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.orm import Session
except ModuleNotFoundError:
    raise MissingExtraError("SQLAlchemy", "sql") from None

if TYPE_CHECKING:
    from sqlalchemy import FrozenResult, Select
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import ORMExecuteState

S = TypeVar("S", bound="Select[Any]")

_OPTION, _SCHEMAS = "augury_cache", "schema_translate_map"
_FRESH = "augury.fresh"
# Options under which a result is no plain one, or is to come from the database.
_APART = ("yield_per", "stream_results", "populate_existing", "identity_token", "autocommit")


class _Kept(NamedTuple):
    """A result, as it was at a moment."""

    at: int
    tables: Tables
    result: FrozenResult[Any]


class QueryCache(Closing):
    """Keeps results of queries in front of an engine, for sessions that are given them to execute.

    `cached` marks the queries; nothing else is touched. A result is dropped once a transaction that
    has changed one of its tables commits, through whatever connection of the engine: flushes, bulk
    and Core statements, text. A session that has changed one of its tables itself, or has changes
    that are not flushed, is served by the database. What other processes change is heard of by
    `changed`, or after `ttl`.

    Objects are kept detached, and each session gets its own copies, or those it has already.

    Parameters
    ----------
    cache
        Where results are: a `Cache`; a result weighs 1. Several may share it, even of several
        engines: none serves what another one has kept.
    engine
        An ``Engine`` or ``AsyncEngine``.
    sessions
        The ``Session`` class or ``sessionmaker`` whose queries may be marked; by default all. Make
        the cache after other listeners of ``do_orm_execute`` that change statements.
    ttl
        How long a result is kept: seconds, a timedelta or None (the default) for as long as nothing
        is heard of a change.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    MissingExtraError
        If SQLAlchemy is not installed.

    References
    ----------
    SQLAlchemy's own example of ``do_orm_execute``, "Dogpile Caching".

    Examples
    --------
    >>> import augury
    >>> from sqlalchemy import create_engine, text
    >>> engine = create_engine("sqlite://")
    >>> with QueryCache(augury.Cache(10_000), engine, ttl=60) as queries:
    ...     print(queries)
    <QueryCache of sqlite://>
    """

    def __init__(
        self,
        cache: Cache[Any, Any],
        engine: Engine | AsyncEngine,
        *,
        sessions: Any = Session,
        ttl: float | timedelta | None = None,
    ) -> None:
        check_instance("cache", cache, Cache)
        check_ttl("ttl", ttl)
        bound = getattr(engine, "sync_engine", engine)
        if not isinstance(bound, Engine):
            raise ConfigurationError(
                f"engine must be an Engine or AsyncEngine, not {type(engine).__name__}"
            )
        self._cache = cache
        self._engine = bound
        self._ttl = ttl
        self._changes = Changes(bound)
        # Part of every key: what is in the cache may be of another engine, or older than us.
        self._mine = object()
        self._listeners: list[tuple[Any, str, Callable[..., Any]]] = [
            (sessions, "do_orm_execute", self._execute),
            (sessions, "after_begin", self._begun),
            (sessions, "after_transaction_end", self._ended),
        ]
        for listener in self._listeners:
            event.listen(*listener)

    def __repr__(self) -> str:
        return f"<QueryCache of {self._engine.url!r}>"

    def cached(self, statement: S, *, ttl: Ttl = None) -> S:
        """Return a query whose result may come from the cache.

        Parameters
        ----------
        statement
            A ``select()``.
        ttl
            How long its result is kept; by default as the cache was told.
        """
        check_ttl("ttl", ttl)
        return statement.execution_options(**{_OPTION: (self, self._ttl if ttl is None else ttl)})

    def changed(self, *tables: str) -> None:
        """Tell that tables were changed by somebody else; without names, that any may have been.

        Parameters
        ----------
        tables
            Their names, with the schema if the model has one: ``"films"``, ``"shop.films"``.
        """
        self._changes.report(tables or (EVERYTHING,))

    def close(self) -> None:
        """Listen no more; queries are executed by the database. A second call does nothing."""
        for listener in self._listeners:
            event.remove(*listener)
        self._listeners = []
        self._changes.close()

    def _execute(self, state: ORMExecuteState) -> Result[Any] | None:
        asked, ttl = state.execution_options.get(_OPTION, (None, None))
        session = state.session
        if asked is not self or not state.is_select or session.info.get(_FRESH):
            return None
        if session.new or session.dirty or session.deleted or not self._serves(state):
            return None
        connections = self._connections(state)
        key = self._key(state, connections)
        if key is None:
            return None
        kept: _Kept | None = self._cache.get(key)
        if kept is not None and self._changes.unchanged(kept.tables, kept.at):
            own = set().union(*(self._changes.own(each) for each in connections))
            if EVERYTHING in own or own & kept.tables:
                return None
            return _merged(session, kept.result)
        result = self._load(state, key, ttl)
        return None if result is None else _merged(session, result)

    def _serves(self, state: ORMExecuteState) -> bool:
        # A listener after this one could add criteria that the key knows nothing of.
        if state._remaining_events():
            raise ConfigurationError(
                "a listener of do_orm_execute was added after QueryCache, and may change queries: "
                "make QueryCache after it"
            )
        if getattr(state.statement, "_for_update_arg", None) is not None:
            return False
        if any(state.execution_options.get(each) for each in _APART):
            return False
        bind = state.session.get_bind(**state.bind_arguments)
        return getattr(bind, "engine", bind) is self._engine

    def _connections(self, state: ORMExecuteState) -> list[Connection]:
        """Return those that a session is using: its own, and the one that it is bound to."""
        session = state.session
        bound = session.get_bind(**state.bind_arguments)
        own = session.info.get(self._mine, ())
        return [*own, bound] if isinstance(bound, Connection) else [*own]

    def _key(self, state: ORMExecuteState, connections: list[Connection]) -> Hashable | None:
        """Return what tells a query from others, its values included; None if nothing does."""
        statement: Any = state.statement
        generated = statement._generate_cache_key()  # as in SQLAlchemy's own example
        given = state.parameters or {}
        if generated is None or not isinstance(given, Mapping):
            return None
        values = tuple(
            _hashable(given.get(bound.key, bound.effective_value)) for bound in generated.bindparams
        )
        rest = tuple(sorted((name, _hashable(value)) for name, value in given.items()))
        options = [state.execution_options]
        options += (
            each.get_execution_options() for each in connections if each.engine is self._engine
        )
        options.append(self._engine.get_execution_options())
        schemas = next((each[_SCHEMAS] for each in options if _SCHEMAS in each), None) or {}
        key = (self._mine, generated.key, values, rest, frozenset(schemas.items()))
        try:
            hash(key)
        except TypeError:
            return None
        return key

    def _begun(self, session: Session, _transaction: Any, connection: Connection) -> None:
        session.info.setdefault(self._mine, []).append(connection)

    def _ended(self, session: Session, transaction: Any) -> None:
        if transaction.parent is None:
            session.info.pop(self._mine, None)

    def _load(self, state: ORMExecuteState, key: Hashable, ttl: Ttl) -> FrozenResult[Any] | None:
        moment = self._changes.moment()
        connection = state.session.connection(bind_arguments=dict(state.bind_arguments))
        own = set(self._changes.own(connection))
        reads = self._changes.watch(connection)
        try:
            # What the session has loaded already may be older than the rows: it is not asked.
            with type(state.session)(bind=connection, info={_FRESH: True}) as fresh:
                frozen = fresh.execute(
                    state.statement, state.parameters, execution_options=state.execution_options
                ).freeze()
                fresh.expunge_all()
        except InvalidRequestError:  # it has to be made unique by whoever asked
            return None
        finally:
            self._changes.unwatch(connection)
        tables = frozenset(reads)
        fits = (
            EVERYTHING not in tables | own | moment.changing
            and not tables & (own | moment.changing)
            # Its transaction may see what was there when it began.
            and self._changes.unchanged(tables, self._changes.begun(connection))
        )
        if fits:
            self._cache.set(key, _Kept(moment.at, tables, frozen), ttl=ttl)
        return frozen


def _hashable(value: Any) -> Any:
    """Return a value with its type: 1, 1.0 and True are equal, but not to a database."""
    if isinstance(value, list | tuple):
        return (type(value), tuple(map(_hashable, value)))
    return (type(value), value)


def _merged(session: Session, frozen: FrozenResult[Any]) -> Result[Any]:
    """Return a result whose objects are a session's own."""

    def own(value: Any) -> Any:
        state = inspect(value, raiseerr=False)
        if state is None or not getattr(state, "is_instance", False):
            return value
        there = session.identity_map.get(state.key)
        if there is not None and not inspect(there).expired:
            return there  # as the database would leave what was loaded before
        return session.merge(value, load=False)

    with session.no_autoflush:
        rows: Any = [tuple(own(each) for each in row) for row in frozen()]
    return frozen.with_new_rows(rows)()
