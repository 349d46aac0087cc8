"""Writes traces for the tests and reads them back."""

import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from augury.accesslog import Malformed, read_trace

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@dataclass
class Requests:
    """All requests of a trace."""

    format: str
    malformed: Malformed
    keys: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)


def read(
    path: Path,
    data: bytes,
    format: str | None = None,
    *,
    columns: dict[str, str] | None = None,
    max_malformed: float = 0.01,
) -> Requests:
    """Write a file and read it as a trace; a number's name is its digits."""
    path.write_bytes(data)
    trace = read_trace(path, format=format, columns=columns, max_malformed=max_malformed)
    chunks = list(trace.chunks())
    found = Requests(trace.format, trace.malformed)
    for chunk in chunks:
        assert 0 < len(chunk) <= 2**18
        aligned = (chunk.sizes, chunk.times, chunk.names, chunk.sessions)
        assert {len(column) for column in aligned if column is not None} <= {len(chunk)}
        found.keys += chunk.keys.tolist()
        found.names += chunk.names or map(str, chunk.keys)
        found.sizes += () if chunk.sizes is None else chunk.sizes.tolist()
        found.times += () if chunk.times is None else chunk.times.tolist()
        found.sessions += () if chunk.sessions is None else chunk.sessions.tolist()
    return found
