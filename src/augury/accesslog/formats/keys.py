"""One key a line, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from augury.accesslog.chunk import Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.fields import Fields
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import read_lines
from augury.accesslog.malformed import Malformed


def _likelihood(head: Head) -> float:
    # Any text is one key a line, so every other format goes first.
    return 0.1 if head.lines else 0.0


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    for lines in read_lines(stream, malformed):
        keys, names = Fields.whole(lines).keys()
        yield Chunk(keys, names=names)


FORMAT = Format(name="keys", title="one key a line", likelihood=_likelihood, read=_read)
