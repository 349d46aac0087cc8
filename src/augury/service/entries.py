"""Reading, writing and deleting one entry: the way that most requests go.

It is an ASGI application of its own, as what a framework does for a request takes longer than the
request itself. `OPERATIONS` declares it in the OpenAPI document.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from starlette.types import Scope, Send

from augury.loading import DEFAULT, Default
from augury.service.auth import Caller
from augury.service.entry import BYTES, MEDIA_TYPE, Entry
from augury.service.limits import KEY_LENGTH, Body
from augury.service.problems import RESPONSES, Problem
from augury.service.service import Service

PATH = "/v1/caches/{cache}/entries/{key}"
_BEFORE = b"/v1/caches/"
_BETWEEN = b"/entries/"
_METHODS = "GET, HEAD, PUT, DELETE"
LONGEST = 10 * 366 * 86_400.0
"""Seconds that an entry may live at most, if a time to live is given."""


class Entries:
    """The entries of all caches of a service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @staticmethod
    def serves(scope: Scope) -> bool:
        """Return whether a request is about an entry."""
        path: bytes = scope["raw_path"]
        return path.startswith(_BEFORE) and path.find(b"/", 11) == path.find(_BETWEEN, 11) != -1

    async def __call__(self, scope: Scope, receive: Body, send: Send) -> None:
        """Serve a request."""
        method = scope["method"]
        caller: Caller = scope["caller"]
        cache, _, key = scope["raw_path"][len(_BEFORE) :].partition(_BETWEEN)
        name, key = _text(cache), _checked_key(_text(key))
        if method in ("GET", "HEAD"):
            caller.require("read", name)
            entry = await self._service.store(name).get(key)
            if entry is None:
                raise Problem(404, "there is no such entry")
            await _send_entry(entry, scope, send)
            return
        if method not in ("PUT", "DELETE"):
            raise Problem(405, f"an entry takes {_METHODS}", {"Allow": _METHODS})
        caller.require("write", name)
        store = self._service.store(name)
        headers = []
        if method == "PUT":
            ttl = _ttl(scope["query_string"])
            media_type = _media_type(scope["headers"])
            entry = Entry(await receive.read(), media_type)
            await store.set_many({key: entry}, ttl)
            headers.append((b"etag", entry.etag.encode()))
        elif await store.delete(key) is False:
            raise Problem(404, "there is no such entry")
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})


async def _send_entry(entry: Entry, scope: Scope, send: Send) -> None:
    etag = entry.etag.encode()
    for name, value in scope["headers"]:
        if name == b"if-none-match" and _matches(value, etag):
            headers = [(b"etag", etag)]
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body"})
            return
    headers = [
        (b"content-type", entry.media_type.encode("latin-1")),
        (b"content-length", b"%d" % len(entry.body)),
        (b"etag", etag),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(
        {
            "type": "http.response.body",
            "body": b"" if scope["method"] == "HEAD" else entry.body,
        }
    )


def _matches(condition: bytes, etag: bytes) -> bool:
    known = [one.strip().removeprefix(b"W/") for one in condition.split(b",")]
    return etag in known or b"*" in known


def _checked_key(key: str) -> str:
    """Return a key if a cache may have it.

    Raises
    ------
    Problem
        422 if it is empty or too long.
    """
    if not 0 < len(key) <= KEY_LENGTH:
        raise Problem(422, f"a key has 1 to {KEY_LENGTH} characters")
    return key


def _text(part: bytes) -> str:
    """Return a part of a path as text.

    Raises
    ------
    Problem
        400 if it is no UTF-8: replacing what is not would let keys coincide.
    """
    try:
        return (unquote_to_bytes(part) if b"%" in part else part).decode()
    except UnicodeDecodeError:
        raise Problem(400, "the path is no percent-encoded UTF-8") from None


def _media_type(headers: list[tuple[bytes, bytes]]) -> str:
    given = dict(headers)
    if b"content-encoding" in given:
        raise Problem(415, "an entry is kept as it comes: send it without Content-Encoding")
    media_type = given.get(b"content-type", BYTES.encode()).decode("latin-1")
    if re.fullmatch(MEDIA_TYPE, media_type) is None:
        raise Problem(415, "a Content-Type has 1 to 255 printable ASCII characters")
    return media_type


def _ttl(query: bytes) -> float | Default:
    """Return the time to live that a request asks for."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if unknown := given.keys() - {"ttl"}:
        raise Problem(422, f"unknown parameter {min(unknown)!r}; there is ttl")
    if "ttl" not in given:
        return DEFAULT
    try:
        ttl = float(given["ttl"][-1])
    except ValueError:
        ttl = math.nan
    if not 0 < ttl <= LONGEST:
        raise Problem(422, f"ttl is seconds, above 0 and up to {LONGEST:g}")
    return ttl


_BYTES: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_ETAG = {"ETag": {"schema": {"type": "string"}}}


def _operation(
    name: str, summary: str, responses: dict[str, Any], parameters: list[Any] | None = None
) -> dict[str, Any]:
    return {
        "tags": ["caches"],
        "summary": summary,
        "operationId": name,
        "security": [{"HTTPBearer": []}],
        "parameters": parameters or [],
        "responses": {**responses, **RESPONSES},
    }


def _parameter(place: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": place, "name": name, "required": place == "path", "schema": schema}


_UNLESS = [_parameter("header", "If-None-Match", {"type": "string"})]
_READ = {
    "200": {"description": "The entry.", "headers": _ETAG, "content": _BYTES},
    "304": {"description": "The client has it already."},
    "404": {**RESPONSES["default"], "description": "There is no such entry, or no such cache."},
}
_TTL = {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST}
OPERATIONS: dict[str, Any] = {
    "parameters": [
        _parameter("path", "cache", {"type": "string"}),
        _parameter("path", "key", {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH}),
    ],
    "get": _operation(
        "read_entry", "Read an entry: its bytes, as they were stored.", _READ, _UNLESS
    ),
    "head": _operation(
        "look_up_entry",
        "Tell what reading would, without the bytes.",
        {**_READ, "200": {"description": "There is one.", "headers": _ETAG}},
        _UNLESS,
    ),
    "put": {
        **_operation(
            "store_entry",
            "Store an entry: the body's bytes, and their Content-Type.",
            {"204": {"description": "It is stored.", "headers": _ETAG}},
            [_parameter("query", "ttl", _TTL)],
        ),
        "requestBody": {"required": True, "content": _BYTES},
    },
    "delete": _operation(
        "delete_entry",
        "Delete an entry.",
        {"204": {"description": "It is not there any more."}, "404": _READ["404"]},
    ),
}
"""What the OpenAPI document says of this path."""
