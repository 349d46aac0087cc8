"""Who asks, and what he may do: bearer tokens with scopes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from augury.config.settings import Scope, Token
from augury.service.problems import Problem

_ASKS_FOR_TOKEN = {"WWW-Authenticate": 'Bearer realm="augury"'}
_WRONG_TOKEN = {"WWW-Authenticate": 'Bearer realm="augury", error="invalid_token"'}
_bearer = HTTPBearer(auto_error=False, description="A token of the configuration.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    name: str | None
    """Of the token; None: nobody has said who he is."""
    scopes: frozenset[str]
    """What he may do."""
    caches: frozenset[str] | None
    """The caches that he may use; None: all."""

    def sees(self, cache: str) -> bool:
        """Return whether he may use a cache at all."""
        return self.caches is None or cache in self.caches

    def require(self, scope: Scope, cache: str | None = None) -> None:
        """Refuse him unless he may do something, with a cache if one is named.

        Raises
        ------
        Problem
            401 if he has not said who he is, 403 if he may not.
        """
        if scope in self.scopes and (cache is None or self.sees(cache)):
            return
        if self.name is None:
            raise Problem(401, "send a token: Authorization: Bearer TOKEN", _ASKS_FOR_TOKEN)
        if scope not in self.scopes:
            raise Problem(403, f"token {self.name!r} lacks the scope {scope!r}")
        raise Problem(403, f"token {self.name!r} may not use this cache")

    def require_all(self) -> None:
        """Refuse him unless he may use all caches: what he wants may tell of any of them.

        Raises
        ------
        Problem
            401 if he has not said who he is, 403 if he may not.
        """
        if self.caches is None:
            return
        self.require("read")
        raise Problem(403, f"token {self.name!r} may use nothing but its caches")


NOBODY = Caller(None, frozenset(), frozenset())
EVERYBODY = Caller(None, frozenset({"read", "write", "admin"}), None)


class Authentication:
    """Tells who sends a request by its token.

    Parameters
    ----------
    tokens
        The tokens by name; none: everybody may do everything.
    """

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self._default = NOBODY if tokens else EVERYBODY
        self._callers = [
            (bytes.fromhex(token.sha256), _caller(name, token)) for name, token in tokens.items()
        ]

    def identify(self, authorization: bytes | None) -> Caller:
        """Return who sends a request, by its header ``Authorization``.

        Raises
        ------
        Problem
            401 if the header has another form, or the token is unknown.
        """
        if authorization is None or self._default is EVERYBODY:
            return self._default
        kind, _, token = authorization.partition(b" ")
        if kind.lower() != b"bearer" or not token:
            raise Problem(401, "Authorization must be: Bearer TOKEN", _ASKS_FOR_TOKEN)
        digest = hashlib.sha256(token.strip()).digest()
        found = None
        for known, caller in self._callers:  # all of them, so that the time says nothing
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise Problem(401, "the token is unknown", _WRONG_TOKEN)
        return found


def _caller(name: str, token: Token) -> Caller:
    caches = None if "*" in token.caches else frozenset(token.caches)
    return Caller(name, frozenset(token.scopes), caches)


def caller_of(request: Request) -> Caller:
    """Return who sent a request; a dependency of routes that want to know."""
    caller: Caller = request.scope["caller"]
    return caller


def needs(scope: Scope) -> Any:
    """Return what a route depends on so that only callers with a scope may use it.

    Where the route has a path parameter ``cache``, the caller must be allowed to use that cache.

    Examples
    --------
    >>> from fastapi import APIRouter
    >>> routes = APIRouter()
    >>> @routes.post("/v1/training", dependencies=[needs("admin")])
    ... async def train() -> None: ...
    """

    def check(request: Request, _: Annotated[Any, Security(_bearer)]) -> None:
        caller_of(request).require(scope, request.path_params.get("cache"))

    return Depends(check)


def _check_all(request: Request, _: Annotated[Any, Security(_bearer)]) -> None:
    caller_of(request).require_all()


needs_all = Depends(_check_all)
"""What the routes of a module depend on whose resources tell of no one cache: they are refused to
callers of some caches only, who could learn there what others ask for."""
