"""Registers the queries that may be asked: nothing else is ever executed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from augury.answers.answer import Tolerance
from augury.answers.audit import Auditor
from augury.answers.changing import Changing
from augury.answers.database import Database
from augury.answers.execution import Run
from augury.answers.family import Family
from augury.answers.learner import Learner
from augury.answers.model import Model
from augury.answers.parameter import Parameter
from augury.answers.privacy import Budget, Privacy
from augury.answers.privacy.access import Access, checked_tenants
from augury.answers.privacy.registration import private_access
from augury.answers.query import Query
from augury.answers.region import Binding
from augury.answers.results import results_in
from augury.answers.rollup import Rollup
from augury.answers.sample import Sample, check_sampled, draw_sample
from augury.answers.statement import Condition, Statement, read_statement
from augury.answers.target import LABEL, ROWS, VALUE, Target
from augury.cache import Cache
from augury.errors import ConfigurationError, QueryError
from augury.models import Registry
from augury.parameters import check_instance, check_number, shown
from augury.tiers import Tiers

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from augury.answers.matching import Matching

_log = logging.getLogger("augury.answers")

_RESERVED = {"exact", "tolerance", "name", "tenant", "confidence"}


class Registering(Changing):
    """The queries that may be asked. `augury.answers.Answers` inherits it."""

    def __init__(
        self,
        source: str | URL | Engine | None = None,
        cache: Cache[Any, Any] | Tiers[Any, Any] | None = None,
        *,
        audits: float = 0.05,
        budget: Budget | None = None,
        learns: bool = True,
        registry: Registry | None = None,
    ) -> None:
        if budget is not None:
            check_instance("budget", budget, Budget)
        if not isinstance(audits, int | float) or not 0 <= audits <= 1:
            raise ConfigurationError(f"audits must be a share from 0 to 1, not {shown(audits)}")
        if registry is not None:
            check_instance("registry", registry, Registry)
        check_instance("learns", learns, bool)
        self._audits = float(audits)
        self._auditor = Auditor()
        super().__init__(
            None if source is None else Database(source),
            results_in(Cache(100_000) if cache is None else cache),
        )
        self._budget = budget
        self._access: dict[str, Access] = {}
        self._learner = Learner(self._queries, registry, learns=learns)
        self._families: dict[str, Family] = {}
        self._rollups: dict[str, Rollup] = {}
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
        privacy: Privacy | None = None,
        allow: Collection[str] | None = None,
        sample: float | None = None,
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
            quantities. Such answers have no tolerance: one is inferred if it is as sure as
            `confidence` says. False by default.
        privacy
            How answers are kept from telling of single persons. None (the default): not at all.
        allow
            The tenants that may ask it. None (the default): all, or, if answers are differentially
            private, all that have a budget.
        sample
            Share of the rows that models may also be made of: they are drawn at random whenever it
            is learned, for which the database reads its table once. None (the default): they are
            made of executed queries only.

        Raises
        ------
        ConfigurationError
            If it is there already, would write, does not fit its parameters, cannot be private, or
            cannot be sampled.
        MissingExtraError
            If it is to be differentially private, and OpenDP is not installed.
        """
        _check_name("a query's name", name)
        check_instance("labels", labels, bool)
        check_instance("parameters", parameters, Mapping)
        if privacy is not None:
            check_instance("privacy", privacy, Privacy)
        tenants = checked_tenants(allow)
        if name in self._access:
            raise ConfigurationError(f"there is a query {name!r} already")
        for parameter in parameters:
            _check_name("a parameter's name", parameter)
        types = {each: Parameter.of(given) for each, given in parameters.items()}
        if reserved := sorted(_RESERVED & types.keys()):
            raise ConfigurationError(f"no parameter can be called {reserved[0]!r}")
        if not isinstance(confidence, int | float) or not 0.5 <= confidence < 1:
            raise ConfigurationError(
                f"confidence must be from 0.5 up to 1, not {shown(confidence)}"
            )
        if labels and tolerance is not None:
            raise ConfigurationError(f"query {name!r} answers with labels, which have no tolerance")
        if isinstance(query, str):
            statement, run = self._of_statement(name, query, types), None
        else:
            statement, run = _of_function(name, query, types)
        if labels and statement.kind != "value":
            raise ConfigurationError(f"query {name!r} aggregates, and so answers with no labels")
        conditions = statement.conditions or tuple(
            Condition(each, "in" if kind.several else "=", each) for each, kind in types.items()
        )
        make = partial(
            self._made,
            name,
            run=run,
            parameters=types,
            binding=Binding(conditions, statement.groups, types),
            target=_target(statement, labels=labels),
            tolerance=Tolerance.of(tolerance),
            confidence=confidence,
        )
        if privacy is None:
            access = Access(name, tenants, {None: make(Query, statement, "")})
        else:
            if not isinstance(query, str) or self._database is None:
                raise ConfigurationError(f"query {name!r} is no SQL, and so cannot be private")
            dialect = self._database.dialect
            access = private_access(
                name, query, statement, dialect, privacy, self._budget, tenants, make
            )
        if sample is not None:
            access.queries[None].draw = self._sampler(name, statement, sample, privacy)
        self._access[name] = access
        for tenant, each in access.queries.items():
            self._queries[name if tenant is None else f"{name}\0{tenant}"] = each
        if isinstance(query, str) and self._database is not None:
            if self._matching is None:
                from augury.answers.matching import Matching

                self._matching = Matching(self._database.dialect)
            self._matching.add(name, query, types)
        for each in access.queries.values():
            self._learner.add(each)

    def _sampler(
        self, name: str, statement: Statement, sample: float, privacy: Privacy | None
    ) -> Callable[[Query], Sample]:
        """Return what reads a share of a query's rows."""
        check_number("sample", sample, unit="share")
        check_sampled(statement, None if self._database is None else self._database.dialect)
        if sample > 1 or privacy is not None or self._database is None:
            raise ConfigurationError(
                f"sample must be a share of up to 1 of a database's rows that are not private, "
                f"which is not so of query {name!r}"
            )
        database = self._database
        return lambda query: draw_sample(
            database, statement, query.family.dimensions, query.family.vocabulary, sample
        )

    def _made(
        self,
        name: str,
        kind: type[Query],
        statement: Statement,
        own: str,
        *,
        run: Run | None,
        binding: Binding,
        target: Target,
        **more: Any,
    ) -> Query:
        """Return a query; `own` tells its family from that of all other queries."""
        # By numbers or by categories: what is learned of a column so is of no use otherwise.
        kinds = (("category", "ordered", "whole")[d.ordered + d.whole] for d in binding.dimensions)
        labels = target.kind == LABEL
        apart = (own, "labels" if labels else "")
        family_name = " | ".join((statement.family, ", ".join(kinds), *filter(None, apart)))
        family = self._families.setdefault(
            family_name, Family(family_name, binding.dimensions, labels=labels)
        )
        if run is None:
            assert self._database is not None
            run = partial(self._database.run, name, statement)
        return kind(
            name,
            statement,
            binding=binding,
            family=family,
            target=target,
            run=run,
            results=self._results,
            changes=self._changes,
            rollup=self._rollup(statement) if statement.relation and kind is Query else None,
            auditor=self._auditor,
            # An audit of a private answer would be paid for, and know no more than noise.
            audits=self._audits if kind is Query else 0.0,
            distrust=self._distrust,
            **more,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the queries that are registered, in the order in which they were."""
        return tuple(self._access)

    def query(self, name: str, tenant: str | None = None) -> Query:
        """Return the query of a `name`, as it answers a tenant."""
        return self._known(name).query(tenant)

    def _known(self, name: str) -> Access:
        try:
            return self._access[name]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self._access)) or "none"
            raise QueryError(f"no query {shown(name)} is registered; there are: {known}") from None

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
        """Switch off models whose answers audits have found wrong, and forget what they know.

        The tables have changed, and nobody has told: what is kept of them is void, too.
        """
        since = model.watch.since
        before = model.time if since is None else since
        _log.warning(
            "answers of query %r are inferred no more until it is learned anew: %s",
            query.name,
            model.watch.finding(),
        )
        query.forget(before)  # a function's tables are not known
        self._void(query.statement.tables, before)

    def _of_statement(self, name: str, sql: str, types: Mapping[str, Parameter]) -> Statement:
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
        return statement


def _check_name(name: str, given: object) -> None:
    check_instance(name, given, str)
    assert isinstance(given, str)
    if not 0 < len(given) <= 200 or not given.isprintable():
        raise ConfigurationError(f"{name} is of 1 to 200 printable characters, not {shown(given)}")


def _of_function(
    name: str, function: Callable[..., Any], types: Mapping[str, Parameter]
) -> tuple[Statement, Run]:
    from time import perf_counter

    if not callable(function):
        raise ConfigurationError(f"query {name!r} must be SQL or a function, not {shown(function)}")
    if any(map(inspect.iscoroutinefunction, (function, type(function).__call__))):
        raise ConfigurationError(f"query {name!r} is a coroutine, which nobody would await")
    try:
        inspect.signature(function).bind(**types)
    except TypeError as error:
        raise ConfigurationError(f"query {name!r} does not take its parameters: {error}") from None
    except ValueError:
        pass  # a function of C that does not tell what it takes

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
        return Target(LABEL, LABEL) if labels else Target(VALUE, VALUE)
    if statement.kind == "count":
        return Target("count", ROWS if column == "*" else f"count:{column}")
    if statement.kind == "sum":
        return Target("sum", f"sum:{column}")
    return Target("avg", f"sum:{column}", f"count:{column}")
