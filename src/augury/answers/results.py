"""Keeps what the database returned, in a `Cache` or in `Tiers`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from augury.answers.result import Result
from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.tiers import Tiers

Key: TypeAlias = tuple[Any, ...]


class Results(ABC):
    """Results of queries, by key. However many ask for one at once, there is one load."""

    shared: bool
    """Whether other processes may share them."""

    @abstractmethod
    def get(self, key: Key) -> Result | None:
        """Return a result, if it is there."""

    @abstractmethod
    def load(self, key: Key, loader: Callable[[], Result], tags: Sequence[str]) -> Result:
        """Return a result, from the database if it is not there."""

    @abstractmethod
    def refresh(self, key: Key, loader: Callable[[], Result], tags: Sequence[str]) -> Result:
        """Return a result from the database, and keep it in place of an older one."""

    @abstractmethod
    def drop(self, tags: Sequence[str]) -> None:
        """Drop what was kept with one of these tags, for whoever shares it.

        Raises
        ------
        InvalidationError
            If that may not have reached everything.
        """


class InCache(Results):
    """In a `Cache`."""

    shared = False

    def __init__(self, cache: Cache[Any, Any]) -> None:
        self._cache = cache

    def get(self, key: Key) -> Result | None:
        """Return a result, if it is there."""
        held = self._cache.get(key)
        return held if isinstance(held, Result) else None

    def load(self, key: Key, loader: Callable[[], Result], tags: Sequence[str]) -> Result:  # noqa: ARG002
        """Return a result, from the database if it is not there."""
        held: Result = self._cache.get_or_load(key, lambda _: loader())
        return held

    def refresh(self, key: Key, loader: Callable[[], Result], tags: Sequence[str]) -> Result:  # noqa: ARG002
        """Return a result from the database, and keep it in place of an older one."""
        result = loader()
        self._cache.set(key, result)
        return result

    def drop(self, tags: Sequence[str]) -> None:
        """Do nothing: what was dropped is of an older generation, and so has other keys."""


class InTiers(Results):
    """In `Tiers`, which other processes may share, as MessagePack."""

    shared = True

    def __init__(self, tiers: Tiers[Any, Any]) -> None:
        self._tiers = tiers

    def get(self, key: Key) -> Result | None:
        """Return a result, if it is there."""
        return _decoded(self._tiers.get(key))

    def load(self, key: Key, loader: Callable[[], Result], tags: Sequence[str]) -> Result:
        """Return a result, from the database if it is not there."""
        held = self._tiers.get_or_load(key, lambda _: msgspec.msgpack.encode(loader()), tags=tags)
        result = _decoded(held)
        return loader() if result is None else result

    def refresh(self, key: Key, loader: Callable[[], Result], tags: Sequence[str]) -> Result:
        """Return a result from the database, and keep it in place of an older one."""
        loaded: list[Result] = []

        def load(_: Key) -> bytes:
            loaded.append(loader())
            return msgspec.msgpack.encode(loaded[0])

        # Kept as a load is, so that a tag that is dropped meanwhile drops it.
        self._tiers.delete(key)
        self._tiers.get_or_load(key, load, tags=tags)
        return loaded[0] if loaded else loader()

    def drop(self, tags: Sequence[str]) -> None:
        """Drop what was kept with one of these tags, in all processes."""
        self._tiers.invalidate_tag(*tags)


def _decoded(held: Any) -> Result | None:
    if not isinstance(held, bytes):
        return None
    try:
        return msgspec.msgpack.decode(held, type=Result)
    except msgspec.MsgspecError:
        return None  # of another version


def results_in(cache: Any) -> Results:
    """Return what keeps results in a cache, or raise a `ConfigurationError` if it is none."""
    if isinstance(cache, Cache):
        return InCache(cache)
    if isinstance(cache, Tiers):
        return InTiers(cache)
    raise ConfigurationError(f"cache must be a Cache or Tiers, not {type(cache).__name__}")
