"""What the API keeps under a key: bytes, and what they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import xxhash

from augury.codecs import register

BYTES = "application/octet-stream"
MEDIA_TYPE = r"[!-~]([ -~]{0,253}[!-~])?"
"""What a Content-Type may be, as a regular expression."""


class Entry(NamedTuple):
    """A value as it came over HTTP, and goes."""

    body: bytes
    """The value itself."""
    media_type: str = BYTES
    """Its Content-Type."""

    @property
    def etag(self) -> str:
        """What changes if the entry does."""
        digest = xxhash.xxh3_128(self.body)
        digest.update(self.media_type.encode("latin-1"))
        return f'"{digest.hexdigest()}"'


register(Entry, "augury.service.Entry")  # so that tiers can carry it


def entry_of(value: Any) -> Entry:
    """Return a cache's value as an entry, whoever has stored it.

    Bytes and text are given as they are, and anything else, such as the rows of a source, as JSON.

    Examples
    --------
    >>> entry_of({"a": 1})
    Entry(body=b'{"a":1}', media_type='application/json')
    """
    if isinstance(value, Entry):
        return value
    if isinstance(value, bytes):
        return Entry(value)
    if isinstance(value, str):
        return Entry(value.encode(), "text/plain; charset=utf-8")
    return Entry(msgspec.json.encode(value, enc_hook=str), "application/json")
