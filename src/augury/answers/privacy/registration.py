"""Makes the queries that stand behind one name, by what is asked of their privacy."""

from __future__ import annotations

from typing import Protocol

from augury.answers.privacy.access import Access
from augury.answers.privacy.budget import Budget
from augury.answers.privacy.clamping import Grid, private_statement
from augury.answers.privacy.noise import Noise
from augury.answers.privacy.policy import Privacy
from augury.answers.privacy.query import PrivateQuery, WithholdingQuery
from augury.answers.query import Query
from augury.answers.statement import Statement
from augury.errors import ConfigurationError


class Maker(Protocol):
    """Makes a query of a class, with answers and a family of its own."""

    def __call__(self, kind: type[Query], statement: Statement, own: str, **more: object) -> Query:
        """Return the query of a statement; `own` tells its family from others."""


def private_access(
    name: str,
    sql: str,
    statement: Statement,
    dialect: str,
    privacy: Privacy,
    budget: Budget | None,
    allow: frozenset[str] | None,
    make: Maker,
) -> Access:
    """Return who may ask a private query: with noise, the tenants that have a budget.

    Raises
    ------
    ConfigurationError
        If answers of such a statement cannot be private, or a tenant has no budget.
    MissingExtraError
        If OpenDP is needed, and not installed.
    """
    try:
        privacy = privacy.for_kind(statement.kind, groups=bool(statement.groups))
        if privacy.epsilon is None:
            own = f"at least {privacy.minimum} rows"
            query = make(WithholdingQuery, statement, own, minimum=privacy.minimum)
            return Access(name, allow, {None: query})
        if budget is None:
            raise ConfigurationError("give Answers a budget")
        if unknown := sorted((allow or frozenset()) - set(budget.tenants)):
            raise ConfigurationError(f"tenant {unknown[0]!r} has no budget")
        executed = private_statement(sql, statement, dialect, privacy)
    except ConfigurationError as error:
        raise ConfigurationError(f"query {name!r}: {error}") from None
    grid = None
    if statement.kind != "count":
        assert privacy.bounds is not None
        grid = Grid.of(privacy.bounds, centred=statement.kind == "avg")
    noise = Noise(privacy, None if grid is None else grid.most, groups=bool(statement.groups))
    tenants = frozenset(budget.tenants) if allow is None else allow
    return Access(
        name,
        tenants,
        {
            tenant: make(
                PrivateQuery,
                executed,
                f"{privacy} {tenant!r}",
                privacy=privacy,
                noise=noise,
                grid=grid,
                budget=budget,
                tenant=tenant,
            )
            for tenant in tenants
        },
    )
