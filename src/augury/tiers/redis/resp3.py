"""Reads what a server sends in RESP3, whatever pieces it arrives in.

redis-py reads only when it waits for a reply; what a server sends unasked needs a reader that can
stop anywhere and go on later.

References
----------
https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

_MOST_BYTES = 512 * 2**20
"""Longest string that a server sends by default; whatever says that it is longer is no RESP3."""
_MOST_ITEMS = 2**26
_MOST_DEPTH = 32
_LONGEST_LINE = 2**16
_TRIM_ABOVE = 2**16


class Push(NamedTuple):
    """Something that was sent unasked."""

    items: list[Any]


class Failure(NamedTuple):
    """A reply that says what went wrong."""

    text: str


class ProtocolError(ValueError):
    """These bytes are no RESP3: whoever sent them cannot be understood any more."""


Reading = Generator[None, None, Any]


class Parser:
    r"""Turns bytes into messages: replies, each in its turn, and pushes between them.

    Maps come as dictionaries, sets as lists, strings as bytes, attributes not at all.

    Examples
    --------
    >>> parser = Parser()
    >>> parser.feed(b"+OK\r\n>2\r\n$10\r\ninvalid")
    [b'OK']
    >>> parser.feed(b"ate\r\n*1\r\n$1\r\nk\r\n")
    [Push(items=[b'invalidate', [b'k']])]
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._reading: Reading | None = None

    def feed(self, data: bytes) -> list[Any]:
        """Take what has arrived and return the messages that are whole now.

        Raises
        ------
        ProtocolError
            If it cannot be RESP3. The parser is of no use any more.
        """
        self._buffer += data
        messages = []
        while self._reading is not None or self._at < len(self._buffer):
            if self._reading is None:
                self._reading = self._value(0)
            try:
                next(self._reading)
            except StopIteration as done:
                self._reading = None
                messages.append(done.value)
            else:
                break
        if self._at == len(self._buffer) or self._at > _TRIM_ABOVE:
            del self._buffer[: self._at]
            self._at = 0
        return messages

    def _value(self, depth: int) -> Reading:
        """Read one value; yields whenever more bytes are needed."""
        if depth > _MOST_DEPTH:
            raise ProtocolError("values are nested too deeply")
        line = yield from self._line()
        kind, rest = line[:1], line[1:]
        if kind in b"$=!" and kind:
            length = _number(rest, _MOST_BYTES)
            if length < 0:
                return None
            text = yield from self._string(length)
            return Failure(text.decode(errors="replace")) if kind == b"!" else text
        if kind in b"*>~%|" and kind:
            count = _number(rest, _MOST_ITEMS)
            if count < 0:
                return None
            items = []
            for _ in range(2 * count if kind in b"%|" else count):
                items.append((yield from self._value(depth + 1)))
            if kind == b"|":
                return (yield from self._value(depth + 1))
            if kind == b"%":
                return _pairs(items)
            return Push(items) if kind == b">" else items
        return _plain(kind, rest)

    def _line(self) -> Generator[None, None, bytes]:
        searched = 0  # bytes from where the line begins, which moves when the buffer is trimmed
        while (end := self._buffer.find(b"\r\n", self._at + searched)) < 0:
            searched = max(0, len(self._buffer) - self._at - 1)
            if searched > _LONGEST_LINE:
                raise ProtocolError("a line is too long")
            yield
        line = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return line

    def _string(self, length: int) -> Generator[None, None, bytes]:
        while len(self._buffer) < self._at + length + 2:
            yield
        end = self._at + length
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolError("a string is longer than it says")
        text = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return text


def _plain(kind: bytes, rest: bytes) -> Any:
    """Return what a line of its own says."""
    try:
        match kind:
            case b"+":
                return rest
            case b"-":
                return Failure(rest.decode(errors="replace"))
            case b":" | b"(":
                return int(rest)
            case b",":
                return float(rest)
            case b"_":
                return None
            case b"#" if rest in (b"t", b"f"):
                return rest == b"t"
    except ValueError:
        pass
    raise ProtocolError(f"a value begins with {(kind + rest)[:20]!r}")


def _number(text: bytes, most: int) -> int:
    """Return a length; -1 is that of nothing."""
    if not (text.isdigit() or text == b"-1") or len(text) > 10 or int(text) > most:
        raise ProtocolError(f"a length is {text[:20]!r}")
    return int(text)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError:
        raise ProtocolError("a map has keys that are no plain values") from None
