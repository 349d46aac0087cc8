"""Access logs of Apache and nginx: combined or common format, a virtual host before it or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from augury.accesslog import digest
from augury.accesslog.chunk import Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import read_lines
from augury.accesslog.malformed import Malformed

READS = (b"GET", b"HEAD")
"""The methods that are requests for a key; lines of others are ignored."""

_LINE = re.compile(
    rb"(?:([^\s:]+:\d+) )?"  # Apache's vhost_combined
    rb"\S+ \S+ [^\[]+ \[([^\]]+)\] "  # client, identity, user, time
    rb'"([^"\\]*(?:\\.[^"\\]*)*)" \d{3} (\d{1,15}|-)(?: .*)?'  # request, status, bytes sent
)
_TIME = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
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
        for position, text in enumerate(lines.texts()):
            match = _LINE.fullmatch(text)
            if match is None:
                malformed.add(int(lines.numbers[position]), text, "is no line of an access log")
                continue
            host, moment, request, size = match.groups()
            seconds = _seconds(moment)
            if seconds is None:
                malformed.add(int(lines.numbers[position]), text, "its time cannot be read")
                continue
            method, _, target = request.partition(b" ")
            target = _without_protocol(target)
            if method not in READS or not target:
                malformed.ignored += 1
                continue
            keys.append(host + target if host else target)
            sizes.append(0 if size == b"-" else int(size))
            times.append(seconds)
        numbers, names = digest.numbers_of(keys)
        yield Chunk(numbers, np.array(sizes, np.uint64), np.array(times, np.float64), names)


def _without_protocol(target: bytes) -> bytes:
    # A target may have spaces of its own: clients send what they like.
    path, found, _ = target.rpartition(b" HTTP/")
    return path if found else target


@lru_cache(maxsize=4096)
def _seconds(moment: bytes) -> float | None:
    match = _TIME.fullmatch(moment)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    zone = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        local = datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except (KeyError, ValueError):
        return None
    return local.timestamp() - zone.total_seconds() * (-1 if sign == b"-" else 1)


FORMAT = Format(
    name="combined",
    title="access logs of Apache and nginx, combined or common",
    likelihood=_likelihood,
    read=_read,
)
