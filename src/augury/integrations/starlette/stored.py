"""A response as it is kept, and as it is sent again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from xxhash import xxh3_128_hexdigest

from augury.integrations.starlette.rules import Headers, age, end_to_end, unchanged, values_of

_WITHOUT_BODY = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"}
)
"""What a response says that has no body because the client has it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A whole response."""

    status: int
    headers: Headers
    body: bytes
    at: float
    """When it came, less its age then: seconds since 1970."""
    lifetime: float
    """Seconds that it may be used."""

    @classmethod
    def of(cls, status: int, headers: Headers, body: bytes, lifetime: float) -> Self:
        """Return a response as it is kept, with an ETag if it has none."""
        kept = [header for header in end_to_end(headers) if header[0].lower() != b"age"]
        if status == 200 and not values_of(kept, b"etag"):
            kept.append((b"etag", f'"{xxh3_128_hexdigest(body)}"'.encode()))
        return cls(status, kept, body, time.time() - age(headers), lifetime + age(headers))

    @classmethod
    def from_plain(cls, value: Any) -> Self | None:
        """Return what `plain` has made a value of; None for anything else."""
        if not isinstance(value, tuple | list) or len(value) != 5 or value[0] == VARIES:
            return None
        status, headers, body, at, lifetime = value
        return cls(status, [(name, each) for name, each in headers], body, at, lifetime)

    def plain(self) -> tuple[Any, ...]:
        """Return it as what every tier can carry."""
        return (self.status, self.headers, self.body, self.at, self.lifetime)

    def age(self) -> int:
        """Return how many seconds old it is."""
        return max(0, int(time.time() - self.at))

    def left(self) -> float:
        """Return how many seconds it may still be used."""
        return self.lifetime - max(0.0, time.time() - self.at)

    def messages(
        self, request: Headers, state: bytes, *, aged: bool, bodiless: bool
    ) -> Iterator[dict[str, Any]]:
        """Return what is sent in answer to a request.

        Parameters
        ----------
        request
            Its headers: it may name what the client has already.
        state
            What Cache-Status says of it.
        aged
            Whether to say how old it is.
        bodiless
            Whether the method is HEAD.
        """
        status, headers, body = self.status, self.headers, self.body
        if status == 200 and unchanged(request, headers):
            status, body = 304, b""
            headers = [header for header in headers if header[0].lower() in _WITHOUT_BODY]
        own = [(b"cache-status", state)]
        if aged:
            own.append((b"age", str(self.age()).encode()))
        yield {"type": "http.response.start", "status": status, "headers": [*headers, *own]}
        yield {"type": "http.response.body", "body": b"" if bodiless else body}


VARIES = "varies"
"""Marks the names of headers that responses to a request depend on, in place of a response."""
