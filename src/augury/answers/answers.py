"""Answers in front of a database: kept, inferred within a stated error, or asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from augury.answers.answer import Answer, Tolerance
from augury.answers.many import AnswerColumns
from augury.answers.plan import Plan
from augury.answers.registering import Registering
from augury.answers.report import QueryReport
from augury.answers.selection import Selection
from augury.errors import ConfigurationError, QueryError
from augury.parameters import check_instance, shown

if TYPE_CHECKING:
    pass

_log = logging.getLogger("augury.answers")


class Answers(Registering):
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
    budget
        What each tenant may learn by differentially private answers. None (the default) if no query
        is registered with an epsilon.
    learns
        Whether models are made in the background, as more queries are executed; see
        `augury.answers.learner.Learner`. True by default; else `learn` makes them.
    registry
        Where models are published as they are made, and from where newer ones are taken that
        another process has published; None (the default) for neither.

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

    def ask(
        self,
        name: str,
        /,
        *,
        exact: bool = False,
        tolerance: Tolerance | float | None = None,
        tenant: str | None = None,
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
        tenant
            For whom it is asked, as you have made sure of. None (the default) for nobody in
            particular, who may ask what is for all.
        parameters
            Values of all its parameters.

        Returns
        -------
        Answer
            The value, its interval, and where they come from.

        Raises
        ------
        QueryError
            If there is no such query or parameter, or a value is of another type.
        AccessError
            If the tenant may not ask it.
        BudgetError
            If the tenant's privacy budget does not suffice.
        SourceError
            If the database does not answer.
        """
        return self.query(name, tenant).ask(
            parameters, exact=exact, tolerance=Tolerance.of(tolerance)
        )

    def ask_many(
        self,
        name: str,
        /,
        *,
        tolerance: Tolerance | float | None = None,
        tenant: str | None = None,
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
        tenant
            For whom, as by `ask`.
        parameters
            For each parameter an array, or one value for all.

        Returns
        -------
        AnswerColumns
            An array of values, of each end of the intervals, and of origins; a place for each
            question.

        Raises
        ------
        QueryError
            If there is no such query or parameter, or a value is of another type.
        SourceError
            If the database does not answer.
        """
        return self.query(name, tenant).ask_many(parameters, tolerance=Tolerance.of(tolerance))

    def learn(
        self,
        names: Sequence[str] | None = None,
        *,
        models: Sequence[str] | None = None,
        anew: bool = False,
    ) -> list[Selection]:
        """Learn from all that has been executed, now and here.

        Parameters
        ----------
        names
            Of queries. By default all that have a tolerance.
        models
            Kinds of models that may be used, such as ``["cube", "gbm"]``. By default all that are
            installed.
        anew
            Whether to compare all kinds again, where else the model in use goes on with what has
            been executed since. False by default.

        Returns
        -------
        list of Selection
            Of each query, how all models did on the newest of its executed queries, and which of
            them answers from now on.

        Raises
        ------
        QueryError
            If there is no such query.
        ConfigurationError
            If there is no such kind of model, or one of these is no list.
        MissingExtraError
            If what fits it is not installed.
        """
        for given, listed in (("names", names), ("models", models)):
            if listed is not None and (isinstance(listed, str) or not isinstance(listed, Sequence)):
                raise ConfigurationError(f"{given} must be a list or None, not {shown(listed)}")
        for name in names or ():
            self._known(name)
        return self._learner.learn(names, models, anew=anew)

    def sql(
        self,
        text: str,
        *,
        exact: bool = False,
        tolerance: Tolerance | float | None = None,
        tenant: str | None = None,
    ) -> Answer:
        """Answer a statement with values in it, which has to be a registered one but for these.

        It may differ in the order of its conditions, ``BETWEEN`` or ``>=`` and ``<=``, the sides
        of comparisons, aliases, upper and lower case, spaces and comments. Reading a text takes
        a few milliseconds; texts that were read are remembered.

        Parameters
        ----------
        text
            The statement.
        exact
            Whether the database has to answer. False by default.
        tolerance
            In place of the one that the query was registered with.
        tenant
            For whom, as by `ask`.

        Returns
        -------
        Answer
            As of `ask`.

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
        found = self._texts.get(text) if isinstance(text, str) else None
        if found is None:
            check_instance("text", text, str)
            if self._matching is None:
                raise QueryError("no query that is SQL is registered")
            found = self._matching.find(text)
            self._texts.set(text, found)
        name, values = found
        return self.ask(name, exact=exact, tolerance=tolerance, tenant=tenant, **values)

    def plan(
        self,
        name: str,
        /,
        *,
        tolerance: Tolerance | float | None = None,
        tenant: str | None = None,
        **parameters: Any,
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
        tenant
            For whom, as by `ask`.
        parameters
            Values of all its parameters.

        Raises
        ------
        QueryError
            If there is no such query or parameter, or a value is of another type.
        """
        return self.query(name, tenant).plan(parameters, tolerance=Tolerance.of(tolerance))

    def report(self) -> list[QueryReport]:
        """Return, of each query, where its answers came from, and what audits have found of them.

        Examples
        --------
        >>> answers = Answers()
        >>> answers.register("double", lambda x: 2 * x, {"x": int})
        >>> answers.ask("double", x=3).value, answers.ask("double", x=3).value
        (6, 6)
        >>> print(answers.report()[0])
        double: 1 cache, 0 rollup, 0 inferred, 1 database; no model
        """
        return [query.report() for query in self._queries.values()]

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the audits of all answers so far are done; return whether they are.

        Parameters
        ----------
        timeout
            Seconds to wait at most. None (the default): as long as it takes.
        """
        return self._auditor.wait(timeout)

    def close(self) -> None:
        """End the threads, and close the connections that it has made itself."""
        self._learner.close()
        self._auditor.close()
        super().close()
