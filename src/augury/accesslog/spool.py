"""A trace as the simulator and the analyses read it: numbered keys, in a scratch file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Generic, TypeVar

import numpy as np

from augury import _native
from augury.accesslog.chunk import NOBODY
from augury.accesslog.trace import InMemoryTrace, Trace, requests_of
from augury.closing import Closing
from augury.errors import TraceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog.chunk import Chunk, Chunked

T = TypeVar("T", bound=np.generic)

_MOST_BYTES = 1 << 63  # of all requests together: sums of 64 bits hold them
_CHUNK = 1 << 16  # requests: small enough for the processor's caches, large enough for NumPy


@dataclass(frozen=True, slots=True)
class SpooledChunk:
    """Consecutive requests of a `Spool`."""

    ids: NDArray[np.uint32]
    """Keys, numbered 0, 1, 2 ... in order of first appearance."""
    sizes: NDArray[np.uint64] | None
    """Bytes, if the trace says."""
    next: NDArray[np.int64] | None
    """Index of the next request of the same key, or 2**63 - 1; if asked for."""
    times: NDArray[np.uint32] | None
    """Whole seconds, modulo 2**32, if the trace says."""
    sessions: NDArray[np.uint32] | None = None
    """Who asked, numbered 0, 1, 2 ... in order of first appearance, if the trace says. All requests
    of which it is not known are one session."""


class Spool(Closing):
    """The requests of a trace, with keys numbered in order of first appearance.

    Reading a trace a second time costs as much as the first. A spool is read once, written to an
    unnamed scratch file (4 bytes a request, 8 more with sizes, 4 more each with times and with
    sessions; in the folder that `tempfile` uses), and then replayed as often as needed. Memory is
    bounded by the distinct keys and sessions. Use it as a context manager, or `close` it.

    Parameters
    ----------
    trace
        What to read, from `augury.read_trace` or `augury.accesslog.requests_of`.
    progress
        Called with the share read, from 0.0 to 1.0.

    Raises
    ------
    TraceError
        If the trace cannot be read, the scratch file cannot be written, or all sizes together
        exceed 2**63 bytes.

    Examples
    --------
    >>> from augury.accesslog import Spool, requests_of
    >>> with Spool(requests_of(["a", "b", "a"])) as spool:
    ...     spool.requests, spool.distinct, [chunk.ids.tolist() for chunk in spool.chunks()]
    (3, 2, [[0, 1, 0]])
    """

    requests: int
    """Number of requests."""
    distinct: int
    """Number of distinct keys."""
    footprint: int
    """Sum of the sizes of the distinct keys when first asked for, in bytes; without sizes, the
    number of distinct keys."""
    keys: NDArray[np.uint64]
    """The key of each id."""
    numbers: NDArray[np.uint64]
    """The number of each id that features know the key by: near to those of keys that are like it.
    `native/model/key_number.hpp` says how it is made of text; integers are themselves."""
    seconds: float | None
    """From the earliest to the latest request, if the trace says."""
    sessions: int
    """Number of distinct sessions: one for all requests of which it is not known who asked; 0 if
    that is known of none."""
    numbered: bool
    """Whether the keys' numbers mean something, so that what comes after key 17 may be key 18.

    False if any key is text, and if keys were evidently renumbered in order of first appearance:
    the key of id i is the key of id 0, plus i, for at least 99% of the ids. In such a trace "the
    next number" is the key that is new next, so that whoever guesses it reads the future off the
    numbering. A trace that is one scan looks the same, and counts as renumbered."""

    def __init__(
        self, trace: Chunked, *, progress: Callable[[float], object] | None = None
    ) -> None:
        self._ids = _Column(np.dtype(np.uint32))
        self._sizes: _Column[np.uint64] | None = None
        self._next: _Column[np.int64] | None = None
        self._times: _Column[np.uint32] | None = None
        self._sessions: _Column[np.uint32] | None = None
        numbers: list[NDArray[np.uint64]] = []
        any_text = False
        index, sessions = _native.KeyIndex(), _native.KeyIndex()
        self.requests = self.footprint = 0
        total = 0.0
        earliest, latest = math.inf, -math.inf
        try:
            for chunk in trace.chunks(progress=progress):
                before = len(index)
                ids = index.intern(chunk.keys)
                self._ids.append(ids)
                new = _firsts(ids, before)
                numbers.append(_numbers(chunk, new))
                any_text = any_text or chunk.names is not None
                if chunk.sizes is not None:
                    if self._sizes is None:
                        self._sizes = _Column(np.dtype(np.uint64))
                    self._sizes.append(chunk.sizes)
                    total += float(chunk.sizes.sum(dtype=np.float64))
                    if total > _MOST_BYTES:
                        raise TraceError(
                            f"{trace.path or 'the trace'}: its sizes add up to more than "
                            f"{_MOST_BYTES:,} bytes; is this column the size?"
                        )
                    self.footprint += int(chunk.sizes[new].sum())
                if chunk.times is not None:
                    earliest = min(earliest, float(chunk.times.min()))
                    latest = max(latest, float(chunk.times.max()))
                    if self._times is None:
                        self._times = _Column(np.dtype(np.uint32))
                    self._times.append(whole_seconds(chunk.times))
                self._append_sessions(chunk, sessions)
                self.requests += len(ids)
        except BaseException:
            self.close()
            raise
        self.keys = index.keys()
        self.numbers = np.concatenate(numbers) if any_text else self.keys
        self.distinct = len(self.keys)
        self.sessions = len(sessions)
        self.numbered = not any_text and not _in_order(self.keys)
        self.seconds = latest - earliest if latest >= earliest else None
        if self._sizes is None:
            self.footprint = self.distinct

    def _append_sessions(self, chunk: Chunk, index: _native.KeyIndex) -> None:
        if self._sessions is None:
            if chunk.sessions is None:
                return
            self._sessions = _Column(np.dtype(np.uint32))
            for start in range(0, self.requests, _CHUNK):  # of these it was not known
                self._sessions.append(index.intern(_nobody(min(_CHUNK, self.requests - start))))
        known = _nobody(len(chunk)) if chunk.sessions is None else chunk.sessions
        self._sessions.append(index.intern(known))

    @property
    def sized(self) -> bool:
        """Whether the trace says how large each requested value is."""
        return self._sizes is not None

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """The hash of each id that a live cache has for its key as a Python integer."""
        return _native.hash_integers(self.keys)

    def chunks(self, *, next_access: bool = False) -> Iterator[SpooledChunk]:
        """Yield the requests from the first to the last.

        Parameters
        ----------
        next_access
            Whether chunks tell when each key is asked for again. The first time this takes a pass
            over the requests and 8 more bytes of scratch file a request.
        """
        following = self._following() if next_access else None
        for start in range(0, self.requests, _CHUNK):
            count = min(_CHUNK, self.requests - start)
            yield SpooledChunk(
                self._ids.read(start, count),
                self._sizes.read(start, count) if self._sizes else None,
                following.read(start, count) if following else None,
                self._times.read(start, count) if self._times else None,
                self._sessions.read(start, count) if self._sessions else None,
            )

    def _following(self) -> _Column[np.int64]:
        if self._next is None:
            column = _Column(np.dtype(np.int64))
            accesses = _native.NextAccess(self.requests, self.distinct)
            for start in reversed(range(0, self.requests, _CHUNK)):
                count = min(_CHUNK, self.requests - start)
                column.write(start, accesses.fill(self._ids.read(start, count)))
            self._next = column
        return self._next

    def close(self) -> None:
        """Delete the scratch file."""
        for column in (self._ids, self._sizes, self._next, self._times, self._sessions):
            if column is not None:
                column.close()


def _firsts(ids: NDArray[np.uint32], before: int) -> NDArray[np.bool_]:
    """Tell which requests are the first of their key, when `before` keys were known already."""
    known = np.maximum.accumulate(np.concatenate(([before], ids.astype(np.int64) + 1)))
    return known[1:] > known[:-1]


def _nobody(count: int) -> NDArray[np.uint64]:
    return np.full(count, NOBODY, np.uint64)


def _in_order(keys: NDArray[np.uint64]) -> bool:
    """Tell whether keys, in order of first appearance, are consecutive numbers but for 1%."""
    in_order = keys - keys[:1] == np.arange(len(keys), dtype=np.uint64)
    return bool(in_order.sum() >= 0.99 * len(keys))


def _numbers(chunk: Chunk, new: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return the numbers of the keys that are new."""
    if chunk.names is None:
        return chunk.keys[new]
    return _native.key_numbers([chunk.names[at] for at in np.flatnonzero(new).tolist()])


def whole_seconds(times: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Return times as features count them: whole seconds, modulo 2**32."""
    whole = np.mod(np.floor(times), 2.0**32)  # of the negative, too
    return whole.astype(np.uint32)


class _Column(Generic[T]):
    """An array in an unnamed file, which takes page cache rather than memory."""

    def __init__(self, dtype: np.dtype[T]) -> None:
        self._dtype = dtype
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - closed by close()
                prefix="augury-", buffering=0
            )
        except OSError as error:
            raise _no_scratch(error) from error

    def append(self, values: NDArray[T]) -> None:
        self._file.seek(0, 2)
        self._write(values)

    def write(self, start: int, values: NDArray[T]) -> None:
        self._file.seek(start * self._dtype.itemsize)
        self._write(values)

    def _write(self, values: NDArray[T]) -> None:
        rest = np.ascontiguousarray(values, self._dtype).view(np.uint8).data
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _no_scratch(error) from error

    def read(self, start: int, count: int) -> NDArray[T]:
        self._file.seek(start * self._dtype.itemsize)
        return np.fromfile(self._file, self._dtype, count)

    def close(self) -> None:
        self._file.close()


def _no_scratch(error: OSError) -> TraceError:
    return TraceError(
        f"cannot write a scratch file in {tempfile.gettempdir()} ({error.strerror}); "
        "make room there, or set TMPDIR to another folder"
    )


def spooled(
    trace: Spool | Trace | InMemoryTrace | Iterable[int | str],
    progress: Callable[[float], object],
) -> AbstractContextManager[Spool]:
    """Return a trace as a `Spool`, which is closed at the end if it was none."""
    if isinstance(trace, Spool):
        return nullcontext(trace)  # whoever made it closes it
    if not isinstance(trace, Trace | InMemoryTrace):
        trace = requests_of(trace)
    return Spool(trace, progress=progress)
