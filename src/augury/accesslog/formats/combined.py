"""Access logs of Apache and nginx: combined or common format, a virtual host before it or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from augury.accesslog import digest
from augury.accesslog.chunk import NOBODY, Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import read_lines
from augury.accesslog.malformed import Malformed

READS = (b"GET", b"HEAD")
"""The methods that are requests for a key; lines of others are ignored."""

_LINE = re.compile(
    rb"(?:([^\s:]+:\d+) )?"  # Apache's vhost_combined
    rb"(\S+ \S+ [^\[]+) "  # client, identity, user
    rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}):([01]\d|2[0-3]):([0-5]\d):([0-6]\d) ([+-]\d{4})\] "
    rb'"([^"\\]*(?:\\.[^"\\]*)*)" \d{3} (\d{1,15}|-)(?: .*)?'  # request, status, bytes sent
)
_UNKNOWN = b"-"
_MONTHS = {
    month: number
    for number, month in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}


def _likelihood(head: Head) -> float:
    return 0.9 if head.share(_LINE.fullmatch) >= 0.5 else 0.0


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    for lines in read_lines(stream, malformed):
        keys: list[bytes] = []
        sizes: list[int] = []
        times: list[float] = []
        sessions: list[int] = []
        for position, text in enumerate(lines.texts()):
            match = _LINE.fullmatch(text)
            if match is None:
                malformed.add(int(lines.numbers[position]), text, "is no line of an access log")
                continue
            host, who, date, hour, minute, second, zone, request, size = match.groups()
            midnight = _midnight(date, zone)
            if midnight is None:
                malformed.add(int(lines.numbers[position]), text, "its date is none")
                continue
            method, _, target = request.partition(b" ")
            target = _without_protocol(target)
            if method not in READS or not target:
                malformed.ignored += 1
                continue
            keys.append(host + target if host else target)
            sizes.append(0 if size == b"-" else int(size))
            sessions.append(_session(who))
            times.append(midnight + 3600 * int(hour) + 60 * int(minute) + int(second))
        numbers, names = digest.numbers_of(keys)
        yield Chunk(
            numbers,
            np.array(sizes, np.uint64),
            np.array(times, np.float64),
            names,
            np.array(sessions, np.uint64),
        )


@lru_cache(maxsize=4096)
def _session(who: bytes) -> int:
    """Return the number of the client's address, with the user if there is one."""
    client, _, user = who.split(b" ", 2)
    known = [part for part in (client, user) if part != _UNKNOWN]
    return digest.number_of(b" ".join(known)) if known else NOBODY


def _without_protocol(target: bytes) -> bytes:
    # A target may have spaces of its own: clients send what they like.
    path, found, _ = target.rpartition(b" HTTP/")
    return path if found else target


@lru_cache(maxsize=1024)
def _midnight(date: bytes, zone: bytes) -> float | None:
    """Return when the day begins, in seconds since 1970, or None if there is no such day."""
    try:
        day = datetime(int(date[7:]), _MONTHS[date[3:6]], int(date[:2]), tzinfo=UTC)
    except (KeyError, ValueError):
        return None
    offset = 3600 * int(zone[1:3]) + 60 * int(zone[3:])
    return day.timestamp() - (-offset if zone.startswith(b"-") else offset)


FORMAT = Format(
    name="combined",
    title="access logs of Apache and nginx, combined or common",
    likelihood=_likelihood,
    read=_read,
)
