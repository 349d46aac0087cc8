"""What the integrations ask of a `Cache` and of `Tiers`, one way for both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from augury.cache import Cache
from augury.forks import renew_in_child
from augury.loading import DEFAULT, Default
from augury.tiers import Tiers


class Store(Protocol):
    """Values by text; times to live are seconds above 0, or None for ever."""

    near: bool
    """Whether nothing here waits for anything outside the process."""

    def get(self, key: str, default: Any) -> Any:
        """Return a value, or the default."""

    def get_many(self, keys: Collection[str]) -> dict[str, Any]:
        """Return the values of those that have one."""

    def set(self, key: str, value: Any, ttl: float | None) -> None:
        """Store a value."""

    def set_many(self, items: Mapping[str, Any], ttl: float | None) -> None:
        """Store values."""

    def get_or_load(self, key: str, loader: Callable[[str], Any], ttl: float | None) -> Any:
        """Return a value, or keep and return the loader's, which is called once for all."""

    async def aget(self, key: str, default: Any) -> Any:
        """Do what `get` does."""

    def update(
        self, key: str, change: Callable[[Any], Any], ttl: float | Default | None = DEFAULT
    ) -> Any:
        """Replace a value by what is made of it, and lose no other write; KeyError if not there.

        It expires when it would have, unless a time to live is given.
        """

    def delete_many(self, keys: Collection[str]) -> int:
        """Delete values; return how many there were."""

    def clear(self) -> None:
        """Delete all."""


def store_of(kept: Cache[Any, Any] | Tiers[Any, Any]) -> Store:
    """Return the store that keeps its values in a cache, or in tiers."""
    return CacheStore(kept) if isinstance(kept, Cache) else TiersStore(kept)


class CacheStore:
    """Values in a cache of this process.

    Examples
    --------
    >>> store = CacheStore(Cache(10))
    >>> store.set("n", 1, ttl=60)
    >>> store.update("n", lambda n: n + 1), store.delete_many(["n", "m"])
    (2, 1)
    """

    near = True

    def __init__(self, cache: Cache[Any, Any]) -> None:
        self._cache = cache
        self.get = cache.get
        self.get_many = cache.get_many
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._writing = threading.Lock()

    def set(self, key: str, value: Any, ttl: float | None) -> None:
        """Store a value."""
        with self._writing:
            self._cache.set(key, value, ttl=ttl)

    def set_many(self, items: Mapping[str, Any], ttl: float | None) -> None:
        """Store values."""
        with self._writing:
            self._cache.set_many(items, ttl=ttl)

    def get_or_load(self, key: str, loader: Callable[[str], Any], ttl: float | None) -> Any:
        """Return a value, or keep and return the loader's, which is called once for all."""
        return self._cache.get_or_load(key, loader, ttl=ttl)

    async def aget(self, key: str, default: Any) -> Any:
        """Do what `get` does."""
        return self._cache.get(key, default)

    def update(
        self, key: str, change: Callable[[Any], Any], ttl: float | Default | None = DEFAULT
    ) -> Any:
        """Replace a value by what is made of it."""
        with self._writing:
            value = change(self._cache[key])
            left = self._cache.ttl(key) if isinstance(ttl, Default) else ttl
            self._cache.set(key, value, ttl=left)
            return value

    def delete_many(self, keys: Collection[str]) -> int:
        """Delete values; return how many there were."""
        with self._writing:
            return self._cache.delete_many(keys)

    def clear(self) -> None:
        """Delete all."""
        with self._writing:
            self._cache.clear()


class TiersStore:
    """Values in tiers."""

    near = False

    def __init__(self, tiers: Tiers[Any, Any]) -> None:
        self._tiers = tiers
        self.get = tiers.get
        self.get_many = tiers.get_many
        self.aget = tiers.aget
        self.clear = tiers.clear

    def set(self, key: str, value: Any, ttl: float | None) -> None:
        """Store a value."""
        self._tiers.set(key, value, ttl=ttl)

    def set_many(self, items: Mapping[str, Any], ttl: float | None) -> None:
        """Store values."""
        self._tiers.set_many(items, ttl=ttl)

    def get_or_load(self, key: str, loader: Callable[[str], Any], ttl: float | None) -> Any:
        """Return a value, or keep and return the loader's, which is called once for all."""
        return self._tiers.get_or_load(key, loader, ttl=ttl)

    def update(
        self, key: str, change: Callable[[Any], Any], ttl: float | Default | None = DEFAULT
    ) -> Any:
        """Replace a value by what is made of it."""
        return self._tiers.update(key, change, ttl=ttl)

    def delete_many(self, keys: Collection[str]) -> int:
        """Delete values; return how many there were."""
        there = len(self._tiers.get_many(keys))
        self._tiers.delete_many(keys)
        return there
