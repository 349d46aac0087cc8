"""What a client is told when something is wrong: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from augury.errors import (
    AccessError,
    AuguryError,
    BudgetError,
    OverloadError,
    SourceError,
    TierError,
)
from augury.service.json import schema_of

MEDIA_TYPE = "application/problem+json"

# The first that fits; whatever else Augury raises on purpose is about what was asked for.
_STATUSES: tuple[tuple[type[AuguryError], int], ...] = (
    (AccessError, 403),
    (BudgetError, 429),
    (OverloadError, 503),
    (TierError, 503),
    (SourceError, 502),
)


class Problem(HTTPException):
    """A request that cannot be served, and why.

    Parameters
    ----------
    status
        Of the response, 404 for example.
    detail
        One line for the client: what was wrong and what to do.
    headers
        Of the response, besides the usual ones.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)

    def response(self) -> Response:
        """Return it as a response."""
        title = HTTPStatus(self.status_code).phrase
        body = ProblemBody("about:blank", title, self.status_code, self.detail)
        return Response(
            msgspec.json.encode(body), self.status_code, self.headers, media_type=MEDIA_TYPE
        )


class ProblemBody(msgspec.Struct):
    """The body of a problem."""

    type: str
    """Always ``"about:blank"``: the status says which problem it is."""
    title: str
    """What the status is called."""
    status: int
    """Of the response."""
    detail: str
    """One line: what was wrong and what to do."""


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem.",
        "content": {MEDIA_TYPE: {"schema": schema_of(ProblemBody)}},
    }
}
"""What the OpenAPI document says of every operation's errors."""


def as_problem(error: Exception) -> Problem:
    """Return what the client is told of an error; nothing of those that nobody has foreseen."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        detail = error.detail
        if detail == HTTPStatus(error.status_code).phrase:
            detail = _USUAL.get(error.status_code, detail)
        return Problem(error.status_code, detail, error.headers)
    if isinstance(error, RequestValidationError):
        return Problem(422, "; ".join(_mistake(one) for one in error.errors()[:3]))
    if isinstance(error, AuguryError):
        status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 422)
        return Problem(status, " ".join(str(error).split()))
    return Problem(500, "the service has failed; its log says why")


def handle_errors(app: FastAPI) -> None:
    """Let an application answer every error with a problem."""

    async def handle(_: Request, error: Exception) -> Response:
        return as_problem(error).response()

    for kind in (HTTPException, RequestValidationError, AuguryError, Exception):
        app.add_exception_handler(kind, handle)


_USUAL = {
    404: "there is nothing at this address; /openapi.json lists what there is",
    405: "this address does not take this method; the header Allow names those that it takes",
}


def _mistake(error: Any) -> str:
    """Return one mistake of a request's parameters or body as a line."""
    if error["type"] == "json_invalid":
        return f"the body is no JSON: {error.get('ctx', {}).get('error', error['msg'])}"
    place, *path = (str(part) for part in error["loc"])
    return f"{'.'.join(path) or place}: {error['msg'].removeprefix('Value error, ')}"
