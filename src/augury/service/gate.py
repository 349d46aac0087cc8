"""What every request passes before it is served, and every response on its way back."""

from __future__ import annotations

import ipaddress
import logging
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from augury.service.auth import Authentication, Caller
from augury.service.entries import Entries
from augury.service.limits import Body, Rate, too_long
from augury.service.problems import Problem, as_problem
from augury.service.service import Service

_log = logging.getLogger("augury.service")

# Whatever a response says itself stays. An entry may be a page that somebody has stored: it is
# shown, if at all, in a sandbox, so that it never acts as a page of ours.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

# Whoever opens the dashboard asks for some thirty files at once, which cost next to nothing.
_PAGE, _OF_PAGE = "/dashboard/", 0.01


class Gate:
    """Lets only those requests pass that may, and answers the others with a problem.

    Parameters
    ----------
    app
        Serves all that pass but entries.
    service
        What is served.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        settings = service.settings.service
        self._app = app
        self._entries = Entries(service)
        self._authentication = Authentication(settings.tokens)
        self._rate = Rate(settings.rate)
        self._body_limit = settings.body_limit
        self._read_seconds = settings.read_seconds
        self._local = is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = message["headers"]
                said = {name for name, _ in headers}
                message["headers"] = [*headers, *(own for own in _HEADERS if own[0] not in said)]
            await send(message)

        try:
            headers = dict(scope["headers"])
            scope["caller"] = self._admit(scope, headers)
            body = Body(receive, self._body_limit, self._read_seconds)
            if int(headers.get(b"content-length", 0)) > self._body_limit:
                raise too_long(self._body_limit)
            serve = self._entries if self._entries.serves(scope) else self._app
            await serve(scope, body, send_guarded)
        except Exception as error:
            problem = as_problem(error)
            if problem.status_code == 500:
                _log.exception("%s %s failed", scope["method"], scope["path"])
            if not started:  # else the server hangs up, unless all of it was sent
                await problem.response()(scope, receive, send_guarded)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Caller:
        """Return who sends a request, if it may be served."""
        host = headers.get(b"host")
        if self._local and host is not None and not _names_loopback(host):
            # Another site's name that leads here: its pages would count as ours.
            raise Problem(421, "on a loopback address the header Host is localhost or 127.0.0.1")
        origin = headers.get(b"origin")
        if origin is not None and origin.partition(b"://")[2] != host:
            raise Problem(403, "requests of other sites' pages are refused")
        client = scope.get("client")
        address = client[0] if client else ""
        try:
            caller = self._authentication.identify(headers.get(b"authorization"))
        except Problem:
            self._rate.take(address)  # so that tokens cannot be guessed faster than that
            raise
        if scope["path"].startswith(_PAGE):
            self._rate.take(f"page {address}", _OF_PAGE)
        else:
            self._rate.take(address if caller.name is None else f"token {caller.name}")
        return caller


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only.

    Examples
    --------
    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "example.com")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(64)
def _names_loopback(host: bytes) -> bool:
    name = host.decode("latin-1").lower()
    if name.startswith("["):
        return is_loopback(name[1:].partition("]")[0])
    return is_loopback(name.partition(":")[0])
