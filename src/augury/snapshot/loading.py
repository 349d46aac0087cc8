"""Fills a cache from a file that `saving` has written."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import index, itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from augury import features
from augury.codecs import Serializer
from augury.errors import ArtefactError, ConfigurationError, CorruptValueError, SnapshotError
from augury.models import Artefact
from augury.models.artefact import from_bytes
from augury.parameters import check_function
from augury.policies import Policy, describe
from augury.snapshot.file import Header, reading
from augury.snapshot.saving import FOREVER, serializer_or_default


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What `Cache.load` has made of a file.

    Examples
    --------
    >>> LoadReport(stored=2, present=0, expired=1, left_out=0, unreadable=0, model=False)
    LoadReport(stored=2, present=0, expired=1, left_out=0, unreadable=0, model=False)
    """

    stored: int
    """Entries that are in the cache now."""
    present: int
    """Entries whose keys were in the cache already: their values stay."""
    expired: int
    """Entries whose time to live has passed since they were saved."""
    left_out: int
    """Entries for which there was no room."""
    unreadable: int
    """Entries of classes that are unknown here; only with ``skip=True``."""
    model: bool
    """Whether the model in use is that of the file."""


class _Cache(Protocol):
    """What loading needs of a cache."""

    @property
    def policy(self) -> Policy: ...
    @property
    def capacity(self) -> int: ...
    @property
    def weight(self) -> int: ...
    @property
    def model(self) -> Artefact | None: ...
    @property
    def _weigher(self) -> Callable[..., int] | None: ...
    def __contains__(self, key: object) -> bool: ...
    def use_model(self, model: Artefact | None) -> None: ...
    def _restore(
        self, key: Any, value: Any, hits: int, /, *, ttl: float | None = ..., size: int = ...
    ) -> bool: ...
    def _resume(self, memory: bytes, /) -> None: ...


def load(
    cache: _Cache,
    path: str | os.PathLike[str],
    *,
    serializer: Serializer | None = None,
    skip: bool = False,
    progress: Callable[[float], object] | None = None,
) -> LoadReport:
    """Do what `Cache.load` does."""
    serializer = serializer_or_default(serializer)
    if progress is not None:
        check_function("progress", progress)
    with reading(Path(path), serializer) as file:
        picked = _Picked(cache, file.header)
        failure: CorruptValueError | None = None
        for count, block in file.blocks():
            if picked.is_full:
                picked.left_out += count
            else:
                try:
                    picked.add(file.decode(block))
                except CorruptValueError as error:
                    failure = failure or error
                    picked.unreadable += count
            if progress is not None:
                progress(file.share)
        if failure is not None and not skip:
            raise SnapshotError(
                f"{path}: has entries that cannot be read here: {failure}; "
                "or leave such entries out by skip=True"
            ) from failure
        # Up to here nothing has changed.
        return picked.store()


# Its place among those that leave, the first one first; key, value, when it expires, weight, hits.
# No class of its own: of plain tuples the garbage collector soon knows that they form no cycles.
_Entry = tuple[int, Hashable, Any, float, int, int]


class _Picked:
    """The entries of a file that fit, those first that would leave last."""

    def __init__(self, cache: _Cache, header: Header) -> None:
        self._cache = cache
        self._header = header
        self._is_empty = cache.weight == 0
        self._room = cache.capacity - cache.weight
        self._entries: list[_Entry] = []
        # Clocks of machines differ and are set back: nothing lives longer for that.
        self._now = time.monotonic()
        self._elapsed = max(time.time() - header.saved, 0.0)
        self.present = self.expired = self.left_out = self.unreadable = 0

    @property
    def is_full(self) -> bool:
        return self._room <= 0

    def add(self, content: Any) -> None:
        """Pick those of a block that fit.

        Raises
        ------
        CorruptValueError
            If this is not what `saving` writes.
        """
        try:
            block = msgspec.convert(content, _Block)
            columns = (
                block.places,
                block.keys,
                block.values,
                block.remaining or [FOREVER] * len(block.keys),
                block.weights or [1] * len(block.keys),
                block.hits,
            )
            entries = list(zip(*columns, strict=True))
            for key in block.keys:
                hash(key)  # of a class that may be another one by now
            if min(columns[4], default=1) < 1:
                raise ValueError("a weight is below 1")
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise CorruptValueError(f"a block is no entries: {error}") from error
        for at, key, value, remaining, saved, hits in entries:
            left = float("inf") if remaining == FOREVER else remaining / 1e9 - self._elapsed
            if left <= 0:
                self.expired += 1
            elif key in self._cache:
                self.present += 1
            elif (weight := self._weigh(key, value, saved)) > self._room:
                self.left_out += 1
            else:
                self._room -= weight
                self._entries.append((at, key, value, self._now + left, weight, hits))

    def _weigh(self, key: Any, value: Any, saved: int) -> int:
        """Return the weight of an entry here; the saved one means nothing if a weigher gave it."""
        if self._cache._weigher is None:
            return 1 if self._header.weighed else saved
        weight = self._cache._weigher(key, value)
        try:
            whole = index(weight)
        except TypeError:
            whole = 0
        if whole < 1:
            raise ConfigurationError(f"a weight is a positive integer, not {weight!r}")
        return whole

    def store(self) -> LoadReport:
        """Store them, those last that would leave last, and tell what has become of all."""
        stored = 0
        cache, entries = self._cache, self._entries
        entries.sort(reverse=True, key=itemgetter(0))
        while entries:
            _, key, value, expires, weight, hits = entries.pop()
            left = expires - time.monotonic()
            if left <= 0:
                self.expired += 1
            elif cache._restore(
                key, value, hits, ttl=None if left == float("inf") else left, size=weight
            ):
                stored += 1
            else:  # another thread has written it meanwhile
                self.present += 1
        used = self._use_model()
        # Of a cache that has entries, what it has found out itself is newer.
        if self._is_empty:
            cache._resume(self._memory())
        return LoadReport(
            stored,
            self.present,
            self.expired,
            self.left_out,
            self.unreadable,
            used,
        )

    def _memory(self) -> bytes:
        """Return what such a policy has found out; nothing if it was another one."""
        header = self._header
        is_alike = (header.policy, header.machine, header.features) == (
            str(self._cache.policy),
            sys.byteorder,
            features.schema(),
        )
        return header.memory if is_alike else b""

    def _use_model(self) -> bool:
        """Use the saved model if the cache could and has none; return whether it does."""
        cache, header = self._cache, self._header
        if not header.model or cache.model is not None or not describe(cache.policy.name).learns:
            return False
        try:
            cache.use_model(from_bytes(header.model))
        except ArtefactError:  # of features that this Augury computes otherwise
            return False
        return True


class _Block(NamedTuple):
    """What `saving` writes."""

    places: list[int]
    keys: list[Any]
    values: list[Any]
    remaining: list[int] | None
    weights: list[int] | None
    hits: bytes
