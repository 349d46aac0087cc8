"""Writes the contents of a cache, and what it has learned, to a file."""

from __future__ import annotations

import os
import reprlib
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from augury import features
from augury.codecs import Serializer
from augury.errors import CodecError
from augury.models import Artefact
from augury.parameters import check_function, check_instance
from augury.policies import Policy
from augury.snapshot.file import Header, Writer

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOREVER = 2**63 - 1
"""The remaining time of what does not expire."""

_BLOCK = 1 << 20  # bytes of a block, about
_FIRST, _MOST = 64, 1 << 14  # entries


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What `Cache.save` has written.

    Examples
    --------
    >>> SaveReport(entries=2, skipped=0, bytes=512)
    SaveReport(entries=2, skipped=0, bytes=512)
    """

    entries: int
    """Entries in the file."""
    skipped: int
    """Entries whose key or value no codec carries; only with ``skip=True``."""
    bytes: int
    """The length of the file."""


class _Cache(Protocol):
    """What saving needs of a cache."""

    @property
    def policy(self) -> Policy: ...
    @property
    def model(self) -> Artefact | None: ...
    @property
    def _weigher(self) -> Callable[..., int] | None: ...
    def _contents(
        self,
    ) -> tuple[
        list[Any],
        list[Any],
        NDArray[np.int64],
        NDArray[np.uint64],
        NDArray[np.uint8],
        bytes,
    ]: ...


def serializer_or_default(serializer: Serializer | None) -> Serializer:
    """Return what makes and opens envelopes: by default without compression and pickle."""
    if serializer is None:
        return Serializer(compress_above=None)
    check_instance("serializer", serializer, Serializer)
    return serializer


def save(
    cache: _Cache,
    path: str | os.PathLike[str],
    *,
    serializer: Serializer | None = None,
    skip: bool = False,
    progress: Callable[[float], object] | None = None,
) -> SaveReport:
    """Do what `Cache.save` does."""
    serializer = serializer_or_default(serializer)
    if progress is not None:
        check_function("progress", progress)
    with Writer(Path(path), serializer) as file:
        entries = _Entries(*cache._contents())
        header = Header(
            saved=time.time(),
            policy=str(cache.policy),
            weighed=cache._weigher is not None,
            entries=len(entries.keys),
            machine=sys.byteorder,
            features=features.schema(),
            memory=entries.memory,
            model=b"" if cache.model is None else cache.model.to_bytes(),
        )
        file.add(msgspec.to_builtins(header, builtin_types=(bytes,)), 0)
        written = 0
        end, count = len(entries.keys), _FIRST
        while end > 0:
            window = entries.window(end, count)
            end -= len(window)
            before = file.bytes
            written += sum(_write(file, entries, part, skip=skip) for part in entries.alike(window))
            size = max(file.bytes - before, 1)
            count = min(max(count * _BLOCK // size, 1), 4 * count, _MOST)
            if progress is not None:
                progress(1 - end / len(entries.keys))
        file.commit()
    return SaveReport(written, len(entries.keys) - written, file.bytes)


@dataclass(frozen=True, slots=True)
class _Entries:
    """What `Cache._contents` returns: who would leave first first."""

    keys: list[Hashable]
    values: list[Any]
    remaining: NDArray[np.int64]
    weights: NDArray[np.uint64]
    hits: NDArray[np.uint8]
    memory: bytes

    def window(self, end: int, count: int) -> range:
        """Return up to so many entries before the end, backwards; fewer if values are large."""
        start, size = end, 0
        while start > 0 and end - start < count and size < _BLOCK:
            start -= 1
            size += _least_size(self.values[start])
        return range(end - 1, start - 1, -1)

    def alike(self, window: Sequence[int]) -> Iterator[list[int]]:
        """Yield parts of a window whose values are of one type.

        So a class that is not known where they are read costs only those of its values.
        """
        parts: dict[type, list[int]] = {}
        for at in window:
            parts.setdefault(type(self.values[at]), []).append(at)
        yield from parts.values()

    def columns(self, part: list[int]) -> tuple[Any, ...]:
        """Return the content of a block; None for what is the same for all."""
        remaining, weights, hits = self.remaining[part], self.weights[part], self.hits[part]
        return (
            part,
            [self.keys[at] for at in part],
            [self.values[at] for at in part],
            None if (remaining == FOREVER).all() else remaining.tolist(),
            None if (weights == 1).all() else weights.tolist(),
            hits.tobytes(),
        )


def _least_size(value: object) -> int:
    """Return how many bytes a value takes at least, as far as it can be told at once."""
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    size = getattr(value, "nbytes", 0)  # of arrays, tensors and tables
    return size if isinstance(size, int) else 0


def _write(file: Writer, entries: _Entries, part: list[int], *, skip: bool) -> int:
    """Write a block, or several where something in it cannot be; return how many entries."""
    try:
        file.add(entries.columns(part), len(part))
        return len(part)
    except CodecError as error:
        if len(part) > 1:
            half = len(part) // 2
            return sum(
                _write(file, entries, each, skip=skip) for each in (part[:half], part[half:])
            )
        if skip:
            return 0
        key = reprlib.repr(entries.keys[part[0]])
        raise CodecError(
            f"the entry of {key} cannot be saved: {error}; or leave such entries out by skip=True"
        ) from error
