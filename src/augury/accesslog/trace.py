"""Traces: requests in a file or in memory, read in chunks and again from the beginning."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from operator import index
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augury.accesslog import digest
from augury.accesslog.chunk import LONGEST, NOBODY, Chunk
from augury.accesslog.compression import SUFFIXES, ByteStream
from augury.accesslog.formats import Format, Head, find, formats, recognise
from augury.accesslog.formats.contract import HEAD, Folder
from augury.accesslog.lines import BOM
from augury.accesslog.malformed import Malformed
from augury.accesslog.merging import cache_folder
from augury.errors import ConfigurationError, TraceError

__all__ = ["Chunk", "InMemoryTrace", "Trace", "read_trace", "requests_of"]

_ROLES = ("key", "size", "time", "session")


class Trace:
    """Requests in a file, or in a folder of files. Made by `read_trace`."""

    def __init__(
        self, path: Path, format: Format, columns: Mapping[str, str], max_malformed: float
    ) -> None:
        self.path = path
        """The file or folder."""
        self.format = format.name
        """The name of its format."""
        self.malformed = Malformed()
        """What could not be read in the latest pass."""
        self._format = format
        self._columns = dict(columns)
        self._max_malformed = max_malformed

    def __repr__(self) -> str:
        return f"Trace({str(self.path)!r}, format={self.format!r})"

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        """Read the trace from its beginning, in memory bounded by a chunk.

        Parameters
        ----------
        progress
            Called after each chunk with the share of the file's bytes consumed, from 0.0 to 1.0.

        Yields
        ------
        Chunk
            Up to 32,768 requests, in the trace's order.

        Raises
        ------
        TraceError
            If the file has no request, is truncated, cannot be read, or too much of it is
            malformed. This may be after some chunks.
        """
        malformed = self.malformed = Malformed()
        requests = 0
        for read, share in self._read(malformed):
            malformed.check_early(self.path, self._max_malformed)
            requests += len(read)
            for chunk in read.split():
                yield chunk
                if progress is not None:
                    progress(share)
        malformed.check(self.path, self._max_malformed)
        if not requests:
            raise TraceError(
                f"{self.path}: has no request in format {self.format} ({malformed.total:,} lines: "
                f"{malformed.count:,} malformed, {malformed.ignored:,} no reads); "
                "is it another format (--format)?"
            )
        if progress is not None:
            progress(1.0)

    def _read(self, malformed: Malformed) -> Iterator[tuple[Chunk, float]]:
        """Yield chunks, and how much of the trace was consumed then."""
        if self._format.read_folder is not None and os.path.isdir(self.path):
            folder = Folder(self.path)
            for chunk in self._format.read_folder(folder, malformed):
                yield chunk, folder.share
            return
        with ByteStream(self.path) as stream:
            for chunk in self._format.read(stream, self._columns, malformed):
                yield chunk, stream.share


class InMemoryTrace:
    """Requests in memory. Made by `requests_of`.

    Raises
    ------
    TraceError
        If a column is not as long as the keys.
    """

    path = None
    """It has no file."""
    format = "memory"
    """The name of its format."""

    def __init__(
        self,
        keys: NDArray[np.uint64],
        names: list[str] | None = None,
        sizes: NDArray[np.uint64] | None = None,
        times: NDArray[np.float64] | None = None,
        sessions: NDArray[np.uint64] | None = None,
    ) -> None:
        for what, column in (("sizes", sizes), ("times", times), ("sessions", sessions)):
            if column is not None and len(column) != len(keys):
                raise TraceError(
                    f"there are {len(column):,} {what} and {len(keys):,} keys; each request has one"
                )
        self.malformed = Malformed(total=len(keys))
        """Nothing is malformed."""
        self._chunk = Chunk(keys, sizes, times, names, sessions)

    def __len__(self) -> int:
        return len(self._chunk)

    def __repr__(self) -> str:
        return f"<InMemoryTrace of {len(self):,} requests>"

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        """Yield the requests from the first; `progress` as of `Trace.chunks`."""
        done = 0
        for chunk in self._chunk.split():
            yield chunk
            done += len(chunk)
            if progress is not None:
                progress(done / len(self))


def read_trace(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    max_malformed: float = 0.01,
) -> Trace:
    r"""Open a trace; its requests are read by `Trace.chunks`.

    Parameters
    ----------
    path
        The file. Compression by gzip, xz or zstd is recognised from its first bytes. Or a folder
        that an `augury.accesslog.Recorder` has written to.
    format
        The name of its format; by default it is recognised from its content and name.
    columns
        For formats with named columns, which of them is what: the keys are ``"key"``, ``"size"``
        (bytes), ``"time"`` (seconds) and ``"session"`` (who asked), the values are the file's
        names. By default the usual names are known.
    max_malformed
        Which share of malformed lines is put up with, from 0.0 to 1.0; they are left out.

    Returns
    -------
    Trace
        Nothing of it has been read yet but the beginning.

    Raises
    ------
    TraceError
        If the file cannot be opened, is empty, or is in no format that is known.
    ConfigurationError
        If a parameter has an impossible value.
    MissingExtraError
        If the format or compression needs a package that is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "requests"
    >>> _ = path.write_text("7\n8\n7\n")
    >>> trace = read_trace(path)
    >>> trace.format
    'keys'
    >>> [chunk.keys.tolist() for chunk in trace.chunks()]
    [[7, 8, 7]]
    """
    if not 0.0 <= max_malformed <= 1.0:
        raise ConfigurationError(f"max_malformed must be from 0 to 1, not {max_malformed}")
    columns = columns or {}
    if unknown := [role for role in columns if role not in _ROLES]:
        raise ConfigurationError(f"columns names {unknown[0]!r}; there are: {', '.join(_ROLES)}")
    wanted = None if format is None else find(format)
    path = Path(path)
    if os.path.isdir(path) and (wanted is None or wanted.read_folder is not None):
        path = cache_folder(path)
        if columns:
            raise ConfigurationError(f"{path}: is a folder of recorded files; leave columns out")
        return Trace(path, wanted or find("recorded"), columns, max_malformed)
    with ByteStream(path) as stream:
        data = stream.read(HEAD)
    if not data:
        raise TraceError(f"{path}: is empty once decompressed; a trace has at least one request")
    head = Head(data.removeprefix(BOM), _plain_name(path), complete=len(data) < HEAD)
    chosen = wanted or recognise(head, has_columns=bool(columns))
    if chosen is None:
        raise TraceError(_unrecognised(path, data))
    if columns and not chosen.has_columns:
        raise ConfigurationError(
            f"{path}: format {chosen.name} has no named columns; leave columns out"
        )
    return Trace(path, chosen, columns, max_malformed)


def requests_of(
    keys: Iterable[int | str], *, sessions: Iterable[int | str | None] | None = None
) -> InMemoryTrace:
    """Make a trace of keys in memory.

    Parameters
    ----------
    keys
        Integers of up to 4,300 digits and any sign, strings, or both; a NumPy array of
        integers is read fastest. ``7`` and ``"7"`` are two keys, as in a `dict`.
    sessions
        Who asked for each of them, likewise; None where that is not known. By default it is
        known of no request.

    Returns
    -------
    InMemoryTrace
        As long as the keys.

    Raises
    ------
    TraceError
        If a key or session is neither an integer nor a string, there is no key, there are not as
        many sessions as keys, or they are given as bytes, a path, or an array of several
        dimensions.

    Examples
    --------
    >>> [chunk.keys.tolist() for chunk in requests_of([1, 2, 1]).chunks()]
    [[1, 2, 1]]
    >>> [chunk.sessions.tolist() for chunk in requests_of([1, 2, 1], sessions=[5, 6, 5]).chunks()]
    [[5, 6, 5]]
    """
    if isinstance(keys, str | bytes | bytearray | os.PathLike):  # most likely a path
        raise TraceError("keys are given one by one, not as one string; files go to read_trace")
    numbers, names = _numbered("key", keys)
    if not len(numbers):
        raise TraceError("a trace has at least one request; these keys are empty")
    if sessions is None:
        return InMemoryTrace(numbers, names)
    if isinstance(sessions, str | bytes | bytearray):
        raise TraceError("sessions are given one by one, not as one string")
    return InMemoryTrace(numbers, names, sessions=_numbered("session", sessions)[0])


def _numbered(role: str, values: Iterable[object]) -> tuple[NDArray[np.uint64], list[str] | None]:
    """Return the numbers of keys or sessions, and their names if any is text."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise TraceError(f"an array of {role}s has 1 dimension, not {values.ndim}; ravel() it")
        if values.dtype.kind in "iu" and not (values < 0).any():
            return values.astype(np.uint64), None
    parts: list[NDArray[np.uint64]] = []
    names: list[str] = []
    any_text = False
    source = iter(values)
    while some := list(islice(source, LONGEST)):
        any_text = any_text or any(isinstance(value, str) for value in some)
        numbers = (_number(role, value) for value in some)
        parts.append(np.fromiter(numbers, np.uint64, len(some)))
        names.extend(map(str, some))
    return np.concatenate(parts) if parts else np.empty(0, np.uint64), names if any_text else None


def _number(role: str, value: object) -> int:
    if isinstance(value, str):
        return digest.number_of_text(value)
    if value is None and role == "session":
        return NOBODY
    try:
        return digest.number_of_integer(index(value))  # type: ignore[arg-type]
    except TypeError:
        raise TraceError(
            f"a {role} of a trace is an integer or a string, not {type(value).__name__}; convert it"
        ) from None
    except ValueError:
        raise TraceError(
            f"an integer {role} of a trace has at most {sys.get_int_max_str_digits():,} digits; "
            "make it a string"
        ) from None


def _plain_name(path: Path) -> str:
    name = path.name.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _unrecognised(path: Path, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"{path}: is text in UTF-16; convert it to UTF-8"
    if not data.strip():
        return f"{path}: has no request: it is blank; a trace has at least one"
    return (
        f"{path}: its format is not recognised; name it (--format) if it is one of: "
        f"{', '.join(formats())}"
    )
