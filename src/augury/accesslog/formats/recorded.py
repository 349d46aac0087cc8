"""What `augury.accesslog.Recorder` has written: a file of it, or the folder of a cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from augury.accesslog.chunk import Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.formats.contract import Folder, Format, Head
from augury.accesslog.malformed import Malformed
from augury.accesslog.merging import RecordedFile, files_of, merged
from augury.accesslog.record import SUFFIX

_MAGIC = b"PAR1"


def _likelihood(head: Head) -> float:
    return 1.0 if head.data.startswith(_MAGIC) and head.name.endswith(SUFFIX) else 0.0


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    source = stream.seekable()
    stream.consumed = 0.0
    try:
        yield from _chunks([RecordedFile.open(stream.path, source)], malformed)
    finally:
        if stream.compression:
            source.close()


def _read_folder(folder: Folder, malformed: Malformed) -> Iterator[Chunk]:
    files = list(files_of(folder.path, malformed))
    rows = sum(file.rows for file in files)
    read = 0
    for chunk in _chunks(files, malformed):
        read += len(chunk)
        folder.share = min(1.0, read / rows)
        yield chunk


def _chunks(files: list[RecordedFile], malformed: Malformed) -> Iterator[Chunk]:
    malformed.unrecorded += sum(file.metadata.lost.total for file in files)
    # Without a weigher every entry weighs 1, which says nothing about bytes.
    weighed = any(file.largest > 1 for file in files)
    for rows in merged(files, malformed):
        reads = rows.where(rows.is_read)
        malformed.ignored += len(rows) - len(reads)
        yield Chunk(
            reads.keys,
            reads.sizes if weighed else None,
            reads.times / 1e9,
            reads.names(),
            reads.known_sessions(),
        )


FORMAT = Format(
    name="recorded",
    title="what augury.accesslog.Recorder writes: a file of it, or a folder",
    likelihood=_likelihood,
    read=_read,
    read_folder=_read_folder,
)
