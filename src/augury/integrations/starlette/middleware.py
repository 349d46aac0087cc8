"""ASGI middleware that keeps responses and sends them again."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import anyio

from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.integrations.starlette.lifetime import SCOPE, Lifetime
from augury.integrations.starlette.pages import Key, Pages
from augury.integrations.starlette.response import Recording
from augury.integrations.starlette.rules import Headers, directives, passes_by, seconds_of
from augury.integrations.starlette.stored import Stored
from augury.loading import check_ttl, seconds
from augury.parameters import check_instance, check_integer
from augury.tiers import Tiers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_CONDITIONS = (b"if-none-match", b"if-modified-since")
_AS_THEY_ARE = "/%:@!$&'()*+,;=~"
"""What clients do not encode in a path, besides letters and digits; or have encoded."""
_ROUNDS = 3
"""How often a request waits for others before it is served by itself."""
_PASSED_SECONDS = 60.0
"""How long nobody waits for a response of which the last one could not be kept."""


class ResponseCache:
    """Keeps the responses of an application and sends them again, as RFC 9111 allows.

    Requests that come at the same time are one request to the application. What is somebody's own
    is not kept: responses with Set-Cookie or ``Cache-Control: private``, and those to requests with
    Authorization or Cookie. A request that changes something (POST, PUT, PATCH, DELETE) makes it
    forget all responses of its address. Responses say by Cache-Status (RFC 9211) and Age where they
    come from, and have an ETag, by which clients are told 304.

    Parameters
    ----------
    app
        The application.
    cache
        Where responses are kept: a `augury.Cache` or `augury.Tiers`.
    ttl
        How long a response is kept that does not say so itself: seconds or a timedelta. None (the
        default): such ones are not, but those of routes with `cache_for`.
    by
        Headers of requests that responses depend on, besides those that a response names in Vary:
        ``["accept-language"]``. With ``"authorization"`` or ``"cookie"`` each of its values has
        responses of its own.
    ignore
        ``["cookie"]``, ``["authorization"]`` or both, if no response depends on it.
    max_body
        Longest body that is kept, in bytes (default 1 MiB). Longer ones, and streams that turn out
        to be, are sent as they come.
    name
        Of the cache, in Cache-Status.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> import augury
    >>> from starlette.applications import Starlette
    >>> app = Starlette()
    >>> app.add_middleware(ResponseCache, cache=augury.Cache(10_000), ttl=60)
    """

    def __init__(
        self,
        app: ASGIApp,
        cache: Cache[Any, Any] | Tiers[Any, Any],
        *,
        ttl: float | timedelta | None = None,
        by: Collection[str] = (),
        ignore: Collection[str] = (),
        max_body: int = 1 << 20,
        name: str = "Augury",
    ) -> None:
        check_ttl("ttl", ttl)
        check_integer("max_body", max_body)
        check_instance("name", name, str)
        if not name.isascii() or not name.isidentifier():
            raise ConfigurationError(f"name must be letters, digits and '_', not {name!r}")
        for given in (by, ignore):
            if isinstance(given, str) or not all(isinstance(each, str) for each in given):
                raise ConfigurationError("by and ignore are lists of names of headers")
        if odd := {each.lower() for each in ignore} - {"authorization", "cookie"}:
            raise ConfigurationError(f"only authorization and cookie matter, not {min(odd)!r}")
        names = tuple(sorted({each.lower().encode("latin-1") for each in by}))
        self._app = app
        self._pages = Pages(cache, names)
        self._ttl = 0.0 if ttl is None else seconds(ttl)
        self._meant = {*names, *(each.lower().encode("latin-1") for each in ignore)}
        self._max_body = max_body
        self._name = name.encode()
        self._flights: dict[tuple[int, Key], _Flight] = {}
        # Of addresses alone; that somebody asks for many of them must not cost memory.
        self._passed: Cache[Key, bool] = Cache(10_000, policy="lru", ttl=_PASSED_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Headers = scope["headers"]
        scope = {**scope, SCOPE: Lifetime(self._ttl)}
        if scope["method"] not in _SAFE:
            await self._change(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD") or passes_by(headers, self._meant):
            recording = self._recording(scope, send, b"fwd=bypass", keeps=False)
            await self._app(scope, receive, recording)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = scope["headers"]
        said = directives(headers)
        reads = "no-cache" not in said
        place = await self._pages.key(_address(scope), scope["query_string"], headers)
        oldest = seconds_of(said["max-age"]) if "max-age" in said else None
        state = b"fwd=uri-miss"
        for _ in range(_ROUNDS):
            found, key = await self._pages.find(place, headers)
            if found is not None and reads and (oldest is None or found.age() <= oldest):
                await self._send_found(found, scope, send, state)
                return
            if "only-if-cached" in said:
                await send({"type": "http.response.start", "status": 504, "headers": []})
                await send({"type": "http.response.body"})
                return
            if found is not None or not reads:
                state = b"fwd=request"
                break
            if scope["method"] == "HEAD" or place in self._passed:
                break
            flight = self._flights.get((threading.get_ident(), key))
            if flight is None:
                state = b"fwd=uri-miss" if key == place else b"fwd=vary-miss"
                await self._lead(place, key, scope, receive, send, state)
                return
            await flight.over.wait()
            if not flight.kept:
                break  # whoever waited is served at the same time, not one after the other
            state = b"fwd=uri-miss; collapsed"
        await self._forward(place, scope, receive, send, state, None)

    async def _send_found(self, found: Stored, scope: Scope, send: Send, state: bytes) -> None:
        collapsed = state.endswith(b"collapsed")
        told = state if collapsed else b"hit; ttl=%d" % found.left()
        for message in found.messages(
            scope["headers"],
            b"%s; %s" % (self._name, told),
            aged=True,
            bodiless=scope["method"] == "HEAD",
        ):
            await send(message)

    async def _lead(
        self, place: Key, key: Key, scope: Scope, receive: Receive, send: Send, state: bytes
    ) -> None:
        """Ask the application, while others that want the same wait."""
        mine = (threading.get_ident(), key)  # events are of one loop, and a loop of one thread
        flight = self._flights[mine] = _Flight()
        try:
            await self._forward(place, scope, receive, send, state, flight)
        finally:
            self._land(mine, flight)

    def _land(self, mine: tuple[int, Key], flight: _Flight) -> None:
        if self._flights.get(mine) is flight:
            del self._flights[mine]
        flight.over.set()

    async def _forward(
        self,
        place: Key,
        scope: Scope,
        receive: Receive,
        send: Send,
        state: bytes,
        flight: _Flight | None,
    ) -> None:
        headers: Headers = scope["headers"]
        keeps = scope["method"] == "GET"

        async def kept(response: Stored) -> None:
            await self._pages.keep(place, headers, response)
            self._passed.delete(place)
            if flight is not None:
                flight.kept = True
                flight.over.set()

        def passed() -> None:
            self._passed.set(place, True)
            if flight is not None:
                flight.over.set()

        recording = self._recording(scope, send, state, keeps=keeps, kept=kept, passed=passed)
        if keeps:  # the whole response is needed, whatever this client has of it
            whole = [header for header in headers if header[0] not in _CONDITIONS]
            scope = {**scope, "headers": whole}
        await self._app(scope, receive, recording)

    def _recording(self, scope: Scope, send: Send, state: bytes, **more: Any) -> Recording:
        return Recording(
            send,
            scope["headers"],
            scope[SCOPE],
            b"%s; %s" % (self._name, state),
            max_body=self._max_body,
            **more,
        )

    async def _change(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that may change something.

        Its address is forgotten before it is answered, and again at its end: what an application
        does last, such as FastAPI's dependencies with ``yield``, may be what commits.
        """
        address = _address(scope)

        async def forget_and_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                await self._pages.forget(address)
            await send(message)

        try:
            await self._app(scope, receive, forget_and_send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._pages.forget(address)


class _Flight:
    """A request on its way to the application, for all who want the same."""

    __slots__ = ("kept", "over")

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.kept = False
        """Whether the response was kept, so that it serves the others."""


async def invalidate(cache: Cache[Any, Any] | Tiers[Any, Any], url: str) -> None:
    """Forget all responses of an address, whatever their query and headers.

    Parameters
    ----------
    cache
        That of the `ResponseCache`.
    url
        The address as clients write it: ``"https://shop.example/films"``.

    Raises
    ------
    ConfigurationError
        If it is no whole address.
    InvalidationError
        If other processes may not have heard of it.

    Examples
    --------
    >>> import asyncio, augury
    >>> pages = augury.Cache(100)
    >>> asyncio.run(invalidate(pages, "https://shop.example/films"))
    """
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        raise ConfigurationError(f"url must be a whole address with a host, not {url!r}")
    path = quote(parts.path or "/", safe=_AS_THEY_ARE)
    await Pages(cache, ()).forget(f"{parts.scheme}://{parts.netloc.lower()}{path}")


def _address(scope: Scope) -> str:
    """Return the address of a request without its query.

    The host is the client's word: one that is not the application's own makes a key that nobody
    else's requests have.
    """
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    name = host.decode("latin-1").lower()
    return f"{scope.get('scheme', 'http')}://{name}{path.decode('latin-1')}"
