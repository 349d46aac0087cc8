"""Who may ask a query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from augury.answers.privacy.budget import check_tenant
from augury.answers.query import Query
from augury.errors import AccessError, ConfigurationError, QueryError
from augury.parameters import shown


def checked_tenants(allow: Collection[str] | None) -> frozenset[str] | None:
    """Return the tenants of an allow-list; None stands for all.

    Raises
    ------
    ConfigurationError
        If it is no list of names.
    """
    if allow is None:
        return None
    if isinstance(allow, str) or not isinstance(allow, Collection):
        raise ConfigurationError(f"allow must be a list of tenants or None, not {shown(allow)}")
    for tenant in allow:
        check_tenant(tenant)
    return frozenset(allow)


@dataclass(frozen=True, slots=True)
class Access:
    """One name that can be asked, and what stands behind it for whom."""

    name: str
    allow: frozenset[str] | None
    """The tenants that may ask; None: all, and whoever names no tenant."""
    queries: Mapping[str | None, Query]
    """By tenant, where each has answers of its own; else one, of None."""

    def query(self, tenant: str | None) -> Query:
        """Return what a tenant is answered by.

        Raises
        ------
        AccessError
            If it may not ask, and before anything is looked at of what it asks.
        QueryError
            If that is no name of a tenant.
        """
        if tenant is not None and not isinstance(tenant, str):
            raise QueryError(f"tenant must be a str or None, not {shown(tenant)}")
        if self.allow is not None and tenant not in self.allow:
            who = "nobody in particular" if tenant is None else f"tenant {shown(tenant)}"
            raise AccessError(f"{who} may not ask query {self.name!r}")
        return self.queries[tenant if tenant in self.queries else None]
