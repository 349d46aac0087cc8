"""Twitter's cache traces: seven columns without a header.

J. Yang, Y. Yue, K. V. Rashmi, "A large scale analysis of hundreds of in-memory cache clusters at
Twitter", OSDI 2020: timestamp, anonymized key, key size, value size, client id, operation, TTL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from augury.accesslog.chunk import Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.fields import Split, chunk_of
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import read_lines
from augury.accesslog.malformed import Malformed

READS = (b"get", b"gets")
"""The operations that are requests. What misses is written next, so that counting writes as well
would make every miss count twice."""
WRITES = (
    *(b"set", b"add", b"replace", b"cas", b"append", b"prepend", b"delete", b"incr", b"decr"),
)
"""The other operations; they are ignored."""

_LINE = re.compile(rb"\d+,.+,\d+,\d+,[^,]*,(?:%s),\d+\s*" % b"|".join(READS + WRITES))


def _likelihood(head: Head) -> float:
    return 0.95 if head.share(_LINE.fullmatch) >= 0.5 else 0.0


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    for lines in read_lines(stream, malformed):
        split = Split(lines, b",")
        complete = split.counts >= 7  # a key may have commas of its own
        lines.without(~complete, "has fewer than 7 columns", malformed)
        split = split.where(complete)
        operations = split.column(-2).texts()
        known = np.array([operation in READS + WRITES for operation in operations], bool)
        split.lines.without(~known, "its operation (column 6) is unknown", malformed)
        reads = np.array([operation in READS for operation in operations], bool)
        malformed.ignored += int(known.sum() - reads.sum())
        split = split.where(reads)
        yield chunk_of(
            split.lines,
            malformed,
            key=split.column(1, -6),
            sizes=(split.column(-5), split.column(-4)),
            time=split.column(0),
            session=split.column(-3),
        )


FORMAT = Format(
    name="twitter",
    title="Twitter's cache traces: timestamp, key, key size, value size, client, operation, TTL",
    likelihood=_likelihood,
    read=_read,
)
