"""How long the response of one route is kept: a dependency of FastAPI."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from augury.errors import ConfigurationError, MissingExtraError
from augury.loading import check_ttl, seconds

try:
    from starlette.requests import Request
except ModuleNotFoundError:
    raise MissingExtraError("starlette", "starlette") from None

SCOPE = "augury.lifetime"
"""Where the middleware looks in a request's scope."""


class Lifetime:
    """For how many seconds a response may be kept, if its headers do not say so."""

    __slots__ = ("seconds",)

    def __init__(self, given: float) -> None:
        self.seconds = given


def cache_for(ttl: float | timedelta) -> Callable[[Request], None]:
    """Return a dependency of FastAPI that says how long a route's responses are kept.

    Cache-Control in a response itself counts more.

    Parameters
    ----------
    ttl
        Seconds, or a timedelta; 0 for not at all.

    Raises
    ------
    ConfigurationError
        If it is neither; when a request comes, if there is no `ResponseCache`.

    Examples
    --------
    >>> from fastapi import Depends, FastAPI
    >>> app = FastAPI()
    >>> @app.get("/films", dependencies=[Depends(cache_for(60))])
    ... async def films() -> list[str]:
    ...     return ["Metropolis"]
    """
    if ttl != 0:
        check_ttl("ttl", ttl)
    if ttl is None:
        raise ConfigurationError("ttl must be a number of seconds: nothing is kept for ever")
    kept = seconds(ttl)

    def note(request: Request) -> None:
        lifetime = request.scope.get(SCOPE)
        if lifetime is None:
            raise ConfigurationError(
                "cache_for needs the middleware: app.add_middleware(ResponseCache, cache=...)"
            )
        lifetime.seconds = kept

    return note
