"""Records accesses for the tests and reads them back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]

from augury.accesslog import Malformed, read_trace


def files(folder: Path) -> list[Path]:
    """The finished files of a folder and those within."""
    return sorted(folder.rglob("*.accesslog.parquet"))


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows, in the order of the files' names."""
    return [row for file in files(folder) for row in _rows(file)]


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    table = pq.read_table(file)
    # Timestamps of nanoseconds would become pandas'.
    for name in ("time", "latency"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast("int64"))
    yield from table.to_pylist()


def read(folder: Path, **options: Any) -> tuple[list[int], Malformed]:
    """The keys of a trace, and what was cleaned."""
    trace = read_trace(folder, **options)
    keys = [key for chunk in trace.chunks() for key in chunk.keys.tolist()]
    return keys, trace.malformed
