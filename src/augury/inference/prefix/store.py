"""Where blocks lie: entries of a `Cache` or of `Tiers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from augury.cache import Cache
from augury.inference.store import by_kind
from augury.tiers import Tiers


class Store(Protocol):
    """Finds and stores blocks by their keys.

    The first block of a prompt is read and written last, for without it the others are of no use:
    so it is the one that was used last, and others are evicted before it.
    """

    def find(self, keys: Sequence[bytes]) -> list[Any]:
        """Return what lies under the first keys, up to one under which nothing does."""

    def put(self, blocks: Mapping[bytes, bytes]) -> None:
        """Store blocks, in the order of their prompt."""


class CacheStore(Store):
    """A `Cache` of this process."""

    def __init__(self, cache: Cache[Any, Any], ttl: float | None) -> None:
        self._cache = cache
        self._options: dict[str, Any] = {} if ttl is None else {"ttl": ttl}

    def find(self, keys: Sequence[bytes]) -> list[Any]:
        """Return what lies under the first keys."""
        cache = self._cache
        there = next((at for at, key in enumerate(keys) if key not in cache), len(keys))
        found = {key: cache.get(key) for key in reversed(keys[:there])}
        return _beginning(keys[:there], found)

    def put(self, blocks: Mapping[bytes, bytes]) -> None:
        """Store blocks."""
        for key, block in reversed(list(blocks.items())):
            self._cache.set(key, block, **self._options)


class TiersStore(Store):
    """`Tiers`, which other processes may share."""

    def __init__(self, tiers: Tiers[Any, Any], ttl: float | None) -> None:
        self._tiers = tiers
        self._options: dict[str, Any] = {} if ttl is None else {"ttl": ttl}

    def find(self, keys: Sequence[bytes]) -> list[Any]:
        """Return what lies under the first keys."""
        return _beginning(keys, self._tiers.get_many(reversed(keys)))

    def put(self, blocks: Mapping[bytes, bytes]) -> None:
        """Store blocks."""
        self._tiers.set_many(dict(reversed(list(blocks.items()))), **self._options)


def _beginning(keys: Sequence[bytes], found: Mapping[bytes, Any]) -> list[Any]:
    values = []
    for key in keys:
        value = found.get(key)
        if value is None:
            break
        values.append(value)
    return values


def store_in(cache: Any, ttl: float | None) -> Store:
    """Return where blocks lie in a cache, or raise a `ConfigurationError` if it is none."""
    return by_kind(cache, ttl, CacheStore, TiersStore)
