"""Parquet with named columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from augury.accesslog import digest
from augury.accesslog.chunk import LONGEST, NOBODY, Chunk
from augury.accesslog.columns import find_columns
from augury.accesslog.compression import ByteStream
from augury.accesslog.fields import LARGEST_SIZE
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.malformed import Malformed
from augury.errors import AuguryError, MissingExtraError, TraceError

_MAGIC = b"PAR1"
# By name, because older releases of pyarrow lack some of them.
_TEXT = re.compile(r"(large_)?(string|binary)|(string|binary)_view|fixed_size_binary\[\d+\]")
_NESTED = re.compile(r"bool|struct|(large_|fixed_size_)?list|map|timestamp|date|time|duration")

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def _likelihood(head: Head) -> float:
    if head.data.startswith(_MAGIC):
        return 0.9  # there is more to say of some
    return 0.2 if head.name.endswith(".parquet") and not head.is_text else 0.0


def _read(stream: ByteStream, columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "traces") from None
    file = stream.seekable()
    stream.consumed = 0.0
    try:
        table = parquet.ParquetFile(file)
        names = table.schema_arrow.names
        found = find_columns(stream.path, names, columns)
        if "session" in found and "session" not in columns:
            kind = table.schema_arrow.types[found["session"]]
            if _NESTED.match(str(kind)):  # it is named like one, and is something else
                del found["session"]
        rows = table.metadata.num_rows
        read = 0
        chosen = list({names[position]: None for position in found.values()})
        for batch in table.iter_batches(LONGEST, columns=chosen):
            malformed.saw(len(batch))
            columns_read = {role: batch.column(names[at]) for role, at in found.items()}
            chunk = Batch(stream.path, malformed, read + 1).chunk(columns_read)
            read += len(batch)
            stream.consumed = read / rows
            yield chunk
    except AuguryError:
        raise
    # pyarrow reports some corruption by Python's own errors.
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TraceError(
            f"{stream.path}: is no Parquet file, or truncated or corrupt: {first}"
        ) from None
    finally:
        if stream.compression:
            file.close()


class Batch:
    """Some rows of a table."""

    def __init__(self, path: Path, malformed: Malformed, first: int) -> None:
        self._path = path
        self._malformed = malformed
        self._first = first

    def chunk(self, columns: Mapping[str, Any]) -> Chunk:
        """Make a chunk of the columns by role, without the rows that are malformed."""
        good = np.ones(len(columns["key"]), bool)

        def keep(role: str, fits: NDArray[np.bool_], reason: str) -> None:
            nonlocal good
            bad = np.flatnonzero(good & ~fits)
            column = columns[role]
            self._malformed.add_each(
                self._first + bad, lambda i: str(column[int(bad[i])].as_py()), reason
            )
            good = good & fits

        sizes = times = None
        if "size" in columns:
            values, fits = self._numbers("size", columns["size"])
            fits &= (values >= 0) & (values <= LARGEST_SIZE) & (values == np.floor(values))
            keep("size", fits, f"its size is no whole number of bytes from 0 to {LARGEST_SIZE:,}")
            sizes = np.where(fits, values, 0).astype(np.uint64)
        if "time" in columns:
            times, fits = self._numbers("time", columns["time"])
            keep("time", fits, "its time is no number of seconds")
        numbers, names, fits = self._numbered("key", columns["key"])
        keep("key", fits, "its key is null or no whole number")
        sessions = None
        if "session" in columns:
            column = columns["session"]
            sessions, _, fits = self._numbered("session", column)
            missing = column.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
            keep("session", fits | missing, "its session is no whole number")
            sessions = np.where(missing, np.uint64(NOBODY), sessions)
        return Chunk(numbers, sizes, times, names, sessions).where(good)

    def _numbers(self, role: str, column: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return a column as numbers, times in seconds, and which of them are finite."""
        import pyarrow as pa

        kind = column.type
        scale = 1.0
        if role == "time" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            if pa.types.is_date(kind):
                column = column.cast(pa.timestamp("s"))
            # Not by another unit, in which the far future would overflow.
            scale = _SECONDS[column.type.unit]
            column = column.cast(pa.int64())
        elif not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        ):
            self._refuse(role, kind, "a number")
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) * scale
        return values, np.isfinite(values)

    def _numbered(
        self, role: str, column: Any
    ) -> tuple[NDArray[np.uint64], list[str] | None, NDArray[np.bool_]]:
        """Return a column of keys or sessions as numbers and names, and which of them are good."""
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_null(kind):
            return np.zeros(len(column), np.uint64), None, valid
        if pa.types.is_integer(kind):
            numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
            if not (numbers < 0).any():
                return numbers.astype(np.uint64), None, valid
            texts = [b"%d" % number for number in numbers.tolist()]
        elif pa.types.is_floating(kind):
            # Integers with gaps, as pandas writes them.
            floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            valid &= np.isfinite(floats) & (floats == np.floor(floats)) & (np.abs(floats) < 2**53)
            texts = [b"%d" % number for number in np.where(valid, floats, 0).tolist()]
        elif pa.types.is_decimal(kind) or _TEXT.fullmatch(str(kind)):
            if pa.types.is_decimal(kind):
                column = column.cast(pa.large_string())
            texts = [text or b"" for text in column.cast(pa.large_binary()).to_pylist()]
        else:
            self._refuse(role, kind, "an integer or a string")
        return *digest.numbers_of(texts), valid

    def _refuse(self, role: str, kind: object, wanted: str) -> NoReturn:
        raise TraceError(
            f"{self._path}: its {role} column has type {kind}; it must be {wanted}; "
            f"convert it, or name another column (columns={{{role!r}: ...}})"
        )


FORMAT = Format(
    name="parquet",
    title="Parquet with named columns: key, and if there are size, time and session",
    likelihood=_likelihood,
    read=_read,
    has_columns=True,
)
