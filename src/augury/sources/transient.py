"""Which errors may pass by themselves, so that trying again makes sense."""

from __future__ import annotations

import sys

from augury.errors import AuguryError, StatusError

STATUSES = frozenset({429, 502, 503, 504})
"""Too many requests, bad gateway, unavailable, gateway time-out."""

# Kinds of OSError that tell of a mistake rather than of a moment.
_LASTING = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_SQLITE_PASSING = frozenset({5, 6, 10})
"""Busy, locked, input or output failed; what else is "operational" there is a mistake in SQL."""


def may_pass(error: BaseException) -> bool:
    """Return whether an error may be gone at the next try.

    True of `OSError` and `TimeoutError` but for missing files and permissions, of lost or missing
    connections and operational errors of SQLAlchemy, of `httpx.TransportError`, and of the statuses
    429, 502, 503 and 504.

    Examples
    --------
    >>> may_pass(ConnectionResetError()), may_pass(FileNotFoundError()), may_pass(KeyError())
    (True, False, False)
    """
    if isinstance(error, StatusError):
        return error.status in STATUSES
    if isinstance(error, (AuguryError, *_LASTING)):
        return False
    return isinstance(error, OSError) or _passes_in_sql(error) or _passes_in_http(error)


def _passes_in_sql(error: BaseException) -> bool:
    sqlalchemy = sys.modules.get("sqlalchemy.exc")  # what is not imported has raised nothing
    if sqlalchemy is None:
        return False
    if isinstance(error, sqlalchemy.TimeoutError):  # no connection of the pool was free
        return True
    if not isinstance(error, sqlalchemy.DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if not isinstance(error, sqlalchemy.OperationalError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _SQLITE_PASSING


def _passes_in_http(error: BaseException) -> bool:
    httpx = sys.modules.get("httpx")
    if httpx is None or not isinstance(error, httpx.TransportError):
        return False
    return not isinstance(error, httpx.UnsupportedProtocol)
