r"""What Redis and Valkey print for MONITOR.

``1339518083.107412 [0 127.0.0.1:60866] "get" "user:1"``: time, database, client, command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from augury.accesslog import digest
from augury.accesslog.chunk import Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import read_lines
from augury.accesslog.malformed import Malformed

READS = frozenset(
    b"GET GETEX GETRANGE SUBSTR STRLEN GETBIT BITCOUNT "
    b"HGET HMGET HGETALL HEXISTS HKEYS HVALS HLEN HSTRLEN HSCAN HRANDFIELD "
    b"LRANGE LINDEX LLEN LPOS SMEMBERS SISMEMBER SMISMEMBER SCARD SRANDMEMBER SSCAN "
    b"ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX ZREVRANGEBYLEX ZSCORE ZMSCORE "
    b"ZRANK ZREVRANK ZCARD ZCOUNT ZLEXCOUNT ZSCAN ZRANDMEMBER XRANGE XREVRANGE XLEN JSON.GET "
    b"GEOPOS GEODIST GEOHASH GEOSEARCH PFCOUNT".split()
)
"""The commands that read what is held at their first argument."""
READS_OF_MANY = frozenset((b"MGET",))
"""Those that read what is held at each argument: one request an argument."""

_LINE = re.compile(rb'(\d{1,99}\.\d+) \[(\d+) (.*?)\] ("[^"\\]*(?:\\.[^"\\]*)*".*)')
_ARGUMENT = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_STARTED = b"OK"
SCRIPT = b"lua"
"""In place of the client for what a script does."""


class Command(NamedTuple):
    """A line of MONITOR."""

    time: float
    """Seconds since 1970, by the server's clock."""
    database: bytes
    client: bytes
    """Its address, or `SCRIPT`."""
    name: bytes
    """In capitals."""
    arguments: list[bytes]
    """As they are written; see `unescape`."""


def command_of(line: bytes) -> Command | None:
    """Read a line without its end; None if it is none of MONITOR.

    Examples
    --------
    >>> command_of(b'1339518083.107412 [0 127.0.0.1:60866] "get" "user:1"').arguments
    [b'user:1']
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    time, database, client, command = match.groups()
    name, *arguments = _ARGUMENT.findall(command)
    return Command(float(time), database, client, name.upper(), arguments)


def unescape(argument: bytes) -> bytes:
    r"""Return the bytes that MONITOR has written so.

    Examples
    --------
    >>> unescape(rb"a\x00\n")
    b'a\x00\n'
    """
    return _ESCAPE.sub(_unescaped, argument) if b"\\" in argument else argument


def _likelihood(head: Head) -> float:
    return 0.9 if head.share(_LINE.fullmatch) >= 0.5 else 0.0


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    for lines in read_lines(stream, malformed):
        keys: list[bytes] = []
        times: list[float] = []
        clients: list[bytes] = []
        for position, text in enumerate(lines.texts()):
            command = command_of(text)
            if command is None:
                if text == _STARTED:
                    malformed.ignored += 1
                else:
                    number = int(lines.numbers[position])
                    malformed.add(number, text, "is no line of MONITOR")
                continue
            time, database, client, name, arguments = command
            if name in READS:
                read = arguments[:1]
            elif name in READS_OF_MANY:
                read = arguments
            else:
                read = []
            if not read:
                malformed.ignored += 1
            keys.extend(_key(argument, database) for argument in read)
            times.extend([time] * len(read))
            clients.extend([b"" if client == SCRIPT else client] * len(read))
        numbers, names = digest.numbers_of(keys)
        yield Chunk(numbers, None, np.array(times, np.float64), names, digest.sessions_of(clients))


def _key(argument: bytes, database: bytes) -> bytes:
    key = unescape(argument)
    # Databases share no keys; 0 is the one that nearly all use.
    return key if database == b"0" else b"[%b] %b" % (database, key)


def _unescaped(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    if len(escaped) == 3:
        return bytes((int(escaped[1:], 16),))
    return _ESCAPED.get(escaped, escaped)


FORMAT = Format(
    name="monitor",
    title="what Redis and Valkey print for MONITOR",
    likelihood=_likelihood,
    read=_read,
)
