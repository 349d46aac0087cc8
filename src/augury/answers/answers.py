"""Answers in front of a database: kept, inferred within a stated error, or asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from augury.answers.answer import Answer, Tolerance
from augury.answers.audit import Auditor
from augury.answers.database import Database
from augury.answers.family import Family
from augury.answers.invalidation import Changes, Version, same_table
from augury.answers.listen import CHANNEL, Listener
from augury.answers.many import AnswerColumns
from augury.answers.model import Model
from augury.answers.parameter import Parameter
from augury.answers.plan import Plan
from augury.answers.query import Query, tag_of
from augury.answers.region import Binding
from augury.answers.results import results_in
from augury.answers.rollup import Rollup
from augury.answers.statement import Condition, Statement, read_statement
from augury.answers.target import Target
from augury.cache import Cache
from augury.closing import Closing
from augury.errors import ConfigurationError, QueryError
from augury.parameters import check_instance, check_number
from augury.tiers import Tiers

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from augury.answers.matching import Matching

_log = logging.getLogger("augury.answers")

_RESERVED = {"exact", "tolerance", "name", "tenant", "confidence"}


class Answers(Closing):
    """Answers registered queries from a cache, a model or the database.

    Parameters
    ----------
    source
        A database: its URL, or an SQLAlchemy ``Engine``. None (the default) if all queries are
        functions.
    cache
        Where the database's answers are kept: a `Cache` or `Tiers`. By default a cache of 100,000
        results of its own.
    audits
        Share of the inferred answers that are verified in the background, by asking the database,
        too. By default 0.05.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    MissingExtraError
        If SQLAlchemy, sqlglot or a driver is not installed.

    Examples
    --------
    >>> from sqlalchemy import StaticPool, create_engine, text
    >>> engine = create_engine("sqlite://", poolclass=StaticPool)
    >>> with engine.begin() as connection:
    ...     _ = connection.execute(text("CREATE TABLE flights (month INTEGER, delay REAL)"))
    ...     _ = connection.execute(text("INSERT INTO flights VALUES (1, 5), (1, 7), (2, 9)"))
    >>> answers = Answers(engine)
    >>> answers.register(
    ...     "delay",
    ...     "SELECT avg(delay) FROM flights WHERE month BETWEEN :first AND :last",
    ...     {"first": int, "last": int},
    ... )
    >>> answer = answers.ask("delay", first=1, last=1)
    >>> answer.value, answer.origin
    (6.0, 'database')
    >>> answers.ask("delay", first=1, last=1).origin
    'cache'
    """

    def __init__(
        self,
        source: str | URL | Engine | None = None,
        cache: Cache[Any, Any] | Tiers[Any, Any] | None = None,
        *,
        audits: float = 0.05,
    ) -> None:
        if not isinstance(audits, int | float) or not 0 <= audits <= 1:
            raise ConfigurationError(f"audits must be a share from 0 to 1, not {audits!r}")
        self._audits = float(audits)
        self._auditor = Auditor()
        self._database = None if source is None else Database(source)
        self._results = results_in(Cache(100_000) if cache is None else cache)
        self._queries: dict[str, Query] = {}
        self._families: dict[str, Family] = {}
        self._rollups: dict[str, Rollup] = {}
        self._changes = Changes()
        self._listeners: list[Listener] = []
        self._matching: Matching | None = None
        self._texts: Cache[str, tuple[str, dict[str, Any]]] = Cache(10_000)

    def register(
        self,
        name: str,
        query: str | Callable[..., Any],
        parameters: Mapping[str, Any],
        *,
        tolerance: Tolerance | float | None = None,
        confidence: float = 0.95,
        labels: bool = False,
    ) -> None:
        """Allow a query to be asked; nothing else is ever executed.

        Parameters
        ----------
        name
            What it is asked by.
        query
            A SELECT of one value, and of the columns by which it groups, with parameters such as
            ``:month``; or a function of the parameters.
        parameters
            The type of each parameter, such as ``int`` or ``list[str]``, or an
            `augury.answers.Parameter`.
        tolerance
            How far an inferred answer may be off: a `Tolerance`, or a number in the answer's unit.
            None (the default): answers are never inferred.
        confidence
            How often at least inferred answers are to be within their interval. By default 0.95.
        labels
            Whether a query that does not aggregate returns names of classes rather than
            quantities. False by default.

        Raises
        ------
        ConfigurationError
            If it is there already, would write, or does not fit its parameters.
        """
        check_instance("name", name, str)
        if name in self._queries:
            raise ConfigurationError(f"there is a query {name!r} already")
        types = {each: Parameter.of(given) for each, given in parameters.items()}
        if reserved := sorted(_RESERVED & types.keys()):
            raise ConfigurationError(f"no parameter can be called {reserved[0]!r}")
        if not 0.5 <= confidence < 1:
            raise ConfigurationError(f"confidence must be from 0.5 up to 1, not {confidence!r}")
        if isinstance(query, str):
            statement, run = self._of_statement(name, query, types)
        else:
            statement, run = _of_function(name, query, types)
        conditions = statement.conditions or tuple(
            Condition(each, "in" if kind.several else "=", each) for each, kind in types.items()
        )
        binding = Binding(conditions, statement.groups, types)
        # By numbers or by categories: what is learned of a column so is of no use otherwise.
        kinds = (("category", "ordered", "whole")[d.ordered + d.whole] for d in binding.dimensions)
        family_name = f"{statement.family} | {', '.join(kinds)}"
        family = self._families.setdefault(family_name, Family(family_name, binding.dimensions))
        self._queries[name] = Query(
            name,
            statement,
            types,
            binding,
            family,
            _target(statement, labels=labels),
            run=run,
            results=self._results,
            changes=self._changes,
            rollup=self._rollup(statement) if statement.relation else None,
            tolerance=Tolerance.of(tolerance),
            confidence=confidence,
            auditor=self._auditor,
            audits=self._audits,
            distrust=self._distrust,
        )
        if isinstance(query, str) and self._database is not None:
            if self._matching is None:
                from augury.answers.matching import Matching

                self._matching = Matching(self._database.dialect)
            self._matching.add(name, query, types)

    def ask(
        self,
        name: str,
        /,
        *,
        exact: bool = False,
        tolerance: Tolerance | float | None = None,
        **parameters: Any,
    ) -> Answer:
        """Answer a query.

        Parameters
        ----------
        name
            Of the query.
        exact
            Whether the database has to answer. False by default.
        tolerance
            In place of the one it was registered with.
        parameters
            Values of all its parameters.

        Raises
        ------
        QueryError
            If there is no such query or parameter, or a value is of another type.
        SourceError
            If the database does not answer.
        """
        return self.query(name).ask(parameters, exact=exact, tolerance=Tolerance.of(tolerance))

    def ask_many(
        self,
        name: str,
        /,
        *,
        tolerance: Tolerance | float | None = None,
        **parameters: ArrayLike,
    ) -> AnswerColumns:
        """Answer one query for many values of its parameters.

        Those that can be are inferred together, which takes about a microsecond each. None of them
        is verified; all others are asked one by one, as by `ask`.

        Parameters
        ----------
        name
            Of the query.
        tolerance
            In place of the one it was registered with.
        parameters
            For each parameter an array, or one value for all.

        Raises
        ------
        QueryError
            If there is no such query or parameter, or a value is of another type.
        SourceError
            If the database does not answer.
        """
        return self.query(name).ask_many(parameters, tolerance=Tolerance.of(tolerance))

    def sql(
        self, text: str, *, exact: bool = False, tolerance: Tolerance | float | None = None
    ) -> Answer:
        """Answer a statement with values in it, which has to be a registered one but for these.

        It may differ in the order of its conditions, ``BETWEEN`` or ``>=`` and ``<=``, the sides
        of comparisons, aliases, upper and lower case, spaces and comments. Reading a text takes
        about a millisecond; texts that were read are remembered.

        Parameters
        ----------
        text
            The statement.
        exact
            Whether the database has to answer. False by default.
        tolerance
            In place of the one that the query was registered with.

        Raises
        ------
        QueryError
            If no registered query is the same: nothing else is ever executed.
        SourceError
            If the database does not answer.

        Examples
        --------
        >>> from sqlalchemy import StaticPool, create_engine, text
        >>> engine = create_engine("sqlite://", poolclass=StaticPool)
        >>> with engine.begin() as connection:
        ...     _ = connection.execute(text("CREATE TABLE flights (month INTEGER, delay REAL)"))
        >>> answers = Answers(engine)
        >>> answers.register("n", "SELECT count(*) FROM flights WHERE month = :m", {"m": int})
        >>> answers.sql("select count(*) from flights as f where 7 = f.month").value
        0
        >>> answers.sql("SELECT count(*) FROM flights")
        Traceback (most recent call last):
        augury.errors.QueryError: no registered query is this one, with values of its types for ...
        """
        found = self._texts.get(text)
        if found is None:
            if self._matching is None:
                raise QueryError("no query that is SQL is registered")
            check_instance("text", text, str)
            found = self._matching.find(text)
            self._texts.set(text, found)
        name, values = found
        return self.ask(name, exact=exact, tolerance=tolerance, **values)

    def plan(
        self, name: str, /, *, tolerance: Tolerance | float | None = None, **parameters: Any
    ) -> Plan:
        """Return what `ask` would do now: each way to an answer, its cost and why it is taken.

        The query is not executed; at most the database is asked, once, whether a column holds
        whole numbers (see `augury.answers.rollup`).

        Parameters
        ----------
        name
            Of the query.
        tolerance
            In place of the one it was registered with.
        parameters
            Values of all its parameters.

        Raises
        ------
        QueryError
            If there is no such query or parameter, or a value is of another type.
        """
        return self.query(name).plan(parameters, tolerance=Tolerance.of(tolerance))

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
            If `rows` is no number of rows.
        InvalidationError
            If other processes may not have heard of it.

        Examples
        --------
        >>> from sqlalchemy import StaticPool, create_engine, text
        >>> engine = create_engine("sqlite://", poolclass=StaticPool)
        >>> with engine.begin() as connection:
        ...     _ = connection.execute(text("CREATE TABLE flights (month INTEGER)"))
        ...     _ = connection.execute(text("INSERT INTO flights VALUES (1), (1), (2)"))
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
        self._changes.report(table, rows)
        if rows is None:
            self._unlearn(table)
        if rows != 0:
            self._results.drop([tag_of(table, rows=rows is not None)])
        return sum(_reads(query.statement.tables, table) for query in self._queries.values())

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

        self._changes.watch(Version(self._changes, table, ask, every, lambda: self._unlearn(table)))

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

    def _unlearn(self, table: str) -> None:
        """Forget what was learned of a table."""
        for query in self._queries.values():
            if _reads(query.statement.tables, table):
                query.model = None
                query.family.log.forget(before=time.time())

    def query(self, name: str) -> Query:
        """Return a registered query."""
        try:
            return self._queries[name]
        except KeyError:
            known = ", ".join(sorted(self._queries)) or "none"
            raise QueryError(f"no query {name!r} is registered; there are: {known}") from None

    def close(self) -> None:
        """End the threads, and close the connections that it has made itself."""
        self._auditor.close()
        for listener in self._listeners:
            listener.close()
        if self._database is not None:
            self._database.close()

    def _rollup(self, statement: Statement) -> Rollup:
        """Return the index of what is kept of statements that choose among the same rows."""
        known = self._rollups.get(statement.relation)
        if known is None:
            database, source = self._database, statement.source
            assert database is not None
            known = self._rollups[statement.relation] = Rollup(
                lambda column: database.is_whole(column, source)
            )
        return known

    def _distrust(self, query: Query, model: Model) -> None:
        """Switch off models whose answers audits have found wrong, and forget what they know."""
        since = model.watch.since
        tables = query.statement.tables
        _log.warning(
            "answers of query %r are inferred no more until it is learned anew: %s",
            query.name,
            model.watch.finding(),
        )
        for each in self._queries.values():
            if each is query or each.statement.tables & tables:
                each.model = None
                each.family.log.forget(before=model.time if since is None else since)

    def _of_statement(
        self, name: str, sql: str, types: Mapping[str, Parameter]
    ) -> tuple[Statement, Any]:
        database = self._database
        if database is None:
            raise ConfigurationError(f"query {name!r} is SQL: give Answers a database")
        statement = read_statement(sql, database.dialect)
        if statement.parameters != types.keys():
            odd = sorted(statement.parameters ^ types.keys())[0]
            raise ConfigurationError(
                f"query {name!r}: parameter {odd!r} is "
                + ("not in the statement" if odd in types else "of no type")
            )
        for each, kind in types.items():
            if kind.several != (each in statement.several):
                raise ConfigurationError(
                    f"query {name!r}: parameter {each!r} is {'a' if kind.several else 'no'} list, "
                    f"but {'not ' if kind.several else ''}compared as one, by IN :{each}"
                )
        return statement, lambda values: database.run(name, statement, values)


def _reads(tables: Iterable[str], table: str) -> bool:
    return any(same_table(each, table) for each in tables)


def _of_function(
    name: str, function: Callable[..., Any], types: Mapping[str, Parameter]
) -> tuple[Statement, Any]:
    from time import perf_counter

    if not callable(function):
        raise ConfigurationError(f"query {name!r} must be SQL or a function, not {function!r}")

    def run(values: Mapping[str, Any]) -> tuple[list[tuple[Any, ...]], float]:
        started = perf_counter()
        value = function(**values)
        return [(value,)], perf_counter() - started

    parameters = frozenset(types)
    statement = Statement(
        text="",
        parameters=parameters,
        several=tuple(sorted(each for each, kind in types.items() if kind.several)),
        tables=frozenset(),
        kind="value",
        column="",
        groups=(),
        conditions=(),
        family=f"function {name}",
    )
    return statement, run


def _target(statement: Statement, *, labels: bool) -> Target:
    column = statement.column
    if statement.kind == "value":
        return Target("label" if labels else "value", "value")
    if statement.kind == "count":
        return Target("count", "rows" if column == "*" else f"count:{column}")
    if statement.kind == "sum":
        return Target("sum", f"sum:{column}")
    return Target("avg", f"sum:{column}", f"count:{column}")
