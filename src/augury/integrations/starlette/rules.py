"""What HTTP allows a shared cache to keep, and for how long: RFC 9111."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable
from email.utils import parsedate_to_datetime

Headers = list[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case."""

_DIRECTIVE = re.compile(
    r"""([!#$%&'*+.^_`|~0-9a-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?""", re.IGNORECASE
)
_LONGEST = 2**31
_ALWAYS = frozenset({200, 203, 301, 308})
"""Statuses that are kept for the default time; others only if the response says for how long."""
_UNDERSTOOD = _ALWAYS | {204, 300, 302, 307, 404, 410}
_PERSONAL = (b"authorization", b"cookie")
_PARTIAL = frozenset({b"range", b"if-range", b"if-match", b"if-unmodified-since"})
_OF_ONE_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def values_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of a header, one a line of it."""
    return [value for each, value in headers if each.lower() == name]


def listed(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Return the items of a header that is a list, in lower case.

    Examples
    --------
    >>> listed([(b"vary", b"Accept, Origin"), (b"vary", b"Cookie")], b"vary")
    ['accept', 'origin', 'cookie']
    """
    text = b",".join(values_of(headers, name)).decode("latin-1")
    return [item for each in text.split(",") if (item := each.strip().lower())]


def directives(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return what Cache-Control says: names in lower case, "" for those without a value.

    Examples
    --------
    >>> directives([(b"cache-control", b'Max-Age=60, private="Set-Cookie, X"')])
    {'max-age': '60', 'private': 'Set-Cookie, X'}
    """
    text = b",".join(values_of(headers, b"cache-control")).decode("latin-1")
    found: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(text):
        found.setdefault(name.lower(), quoted or plain)
    return found


def seconds_of(text: str) -> int:
    """Return a number of seconds; 0 for what is none, as it is safer.

    Examples
    --------
    >>> seconds_of("60"), seconds_of("-1"), seconds_of("9" * 50), seconds_of("soon")
    (60, 0, 2147483648, 0)
    """
    if not (text.isascii() and text.isdigit()):
        return 0
    return _LONGEST if len(text) > 10 else min(int(text), _LONGEST)


def passes_by(headers: Headers, meant: Collection[bytes]) -> bool:
    """Return whether a GET request has nothing to do with the cache.

    Parameters
    ----------
    headers
        Of the request.
    meant
        Headers that are part of the key, or of no matter, though they are somebody's own.
    """
    there = {name for name, _ in headers}
    if any(name in there and name not in meant for name in _PERSONAL):
        return True
    if there & _PARTIAL or "no-store" in directives(headers):
        return True
    # A body is no part of the key, so that it must not make a difference.
    length = values_of(headers, b"content-length")
    return b"transfer-encoding" in there or any(each.strip() != b"0" for each in length)


def lifetime(status: int, headers: Headers, default: float) -> float:
    """Return for how many seconds a response may be kept; 0 if not at all.

    Parameters
    ----------
    status, headers
        Of the response.
    default
        If it does not say so itself.

    Examples
    --------
    >>> lifetime(200, [(b"cache-control", b"max-age=60, s-maxage=5")], 30)
    5.0
    >>> lifetime(200, [], 30), lifetime(404, [], 30), lifetime(200, [(b"set-cookie", b"a=b")], 30)
    (30, 0.0, 0.0)
    """
    said = directives(headers)
    if status not in _UNDERSTOOD or values_of(headers, b"set-cookie"):
        return 0.0
    if not said.keys().isdisjoint({"no-store", "no-cache", "private"}):
        return 0.0
    if "*" in listed(headers, b"vary"):
        return 0.0
    for name in ("s-maxage", "max-age"):
        if name in said:
            return max(0.0, float(seconds_of(said[name]) - age(headers)))
    if expires := values_of(headers, b"expires"):
        until, at = _moment(expires[0]), _moment(next(iter(values_of(headers, b"date")), b""))
        if until is None:
            return 0.0
        return max(0.0, until - (time.time() if at is None else at) - age(headers))
    return default if status in _ALWAYS else 0.0


def age(headers: Headers) -> int:
    """Return how many seconds old a response is already, as caches before this one say."""
    found = values_of(headers, b"age")
    return seconds_of(found[0].decode("latin-1").strip()) if found else 0


def end_to_end(headers: Headers) -> Headers:
    """Return the headers that are the response's own, without those of one connection."""
    own = {name.encode("latin-1") for name in listed(headers, b"connection")} | _OF_ONE_HOP
    return [(name, value) for name, value in headers if name.lower() not in own]


def unchanged(request: Headers, response: Headers) -> bool:
    """Return whether the client has this response already, by what its request says.

    Examples
    --------
    >>> unchanged([(b"if-none-match", b'"x", W/"y"')], [(b"etag", b'"y"')])
    True
    """
    if known := b",".join(values_of(request, b"if-none-match")):
        tags = {each.strip().removeprefix(b"W/") for each in known.split(b",")}
        current = values_of(response, b"etag")
        return b"*" in tags or any(each.removeprefix(b"W/") in tags for each in current)
    since = _moment(next(iter(values_of(request, b"if-modified-since")), b""))
    modified = _moment(next(iter(values_of(response, b"last-modified")), b""))
    return since is not None and modified is not None and modified <= since


def _moment(date: bytes) -> float | None:
    try:
        return parsedate_to_datetime(date.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return None
