"""A cache as the routes use it, whether it is in memory or has tiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from augury.cache import Cache
from augury.loading import DEFAULT, Default, Ttl
from augury.service.entry import Entry, entry_of
from augury.service.problems import Problem
from augury.tiers import Tiers


class Store(Protocol):
    """What a cache does for the routes. Keys are text, values are entries."""

    async def get(self, key: str) -> Entry | None:
        """Return an entry; None if there is none."""

    async def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the entries that there are."""

    async def set_many(self, entries: Mapping[str, Entry], ttl: Ttl | Default = DEFAULT) -> None:
        """Store entries."""

    async def delete(self, key: str) -> bool | None:
        """Delete an entry; return whether there was one, None if nobody knows."""

    async def invalidate(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Drop the entries of keys, and those with tags; a source stays as it is."""

    async def clear(self) -> None:
        """Drop all entries."""

    def describe(self) -> dict[str, Any]:
        """Return what it is, and what it has done so far."""

    def explain(self, key: str) -> dict[str, Any]:
        """Tell why a key is there or not."""

    async def outage(self) -> str | None:
        """Return why it cannot serve as it should; None if it can."""

    async def close(self) -> None:
        """Write what waits to be written, and end."""


class CacheStore:
    """A `augury.Cache`."""

    def __init__(self, cache: Cache[Any, Any]) -> None:
        self.cache = cache

    async def get(self, key: str) -> Entry | None:
        """Return an entry; None if there is none."""
        value = self.cache.get(key)
        return None if value is None else entry_of(value)

    async def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the entries that there are."""
        return {key: entry_of(value) for key, value in self.cache.get_many(keys).items()}

    async def set_many(self, entries: Mapping[str, Entry], ttl: Ttl | Default = DEFAULT) -> None:
        """Store entries."""
        self.cache.set_many(entries, ttl=ttl)

    async def delete(self, key: str) -> bool | None:
        """Delete an entry; return whether there was one."""
        return self.cache.delete(key)

    async def invalidate(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Drop the entries of keys."""
        if list(tags):
            raise Problem(409, "tags: this cache has none; tiers have")
        self.cache.delete_many(keys)

    async def clear(self) -> None:
        """Drop all entries."""
        self.cache.clear()

    def describe(self) -> dict[str, Any]:
        """Return what it is, and what it has done so far."""
        cache, stats = self.cache, self.cache.stats()
        return {
            "kind": "memory",
            "policy": str(cache.policy),
            "capacity": cache.capacity,
            "weight": cache.weight,
            "entries": len(cache),
            "hit_ratio": stats.hit_ratio,
            "stats": asdict(stats),
        }

    def explain(self, key: str) -> dict[str, Any]:
        """Tell why a key is there or not."""
        return self.cache.explain(key).as_dict()

    async def outage(self) -> str | None:
        """Return None: it can always serve."""
        return None

    async def close(self) -> None:
        """Do nothing: nothing of it waits."""


class TiersStore:
    """A `augury.Tiers`."""

    def __init__(self, tiers: Tiers[Any, Any]) -> None:
        self.tiers = tiers

    async def get(self, key: str) -> Entry | None:
        """Return an entry; None if there is none."""
        value = await self.tiers.aget(key)
        return None if value is None else entry_of(value)

    async def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the entries that there are."""
        found = await self.tiers.aget_many(keys)
        return {key: entry_of(value) for key, value in found.items()}

    async def set_many(self, entries: Mapping[str, Entry], ttl: Ttl | Default = DEFAULT) -> None:
        """Store entries."""
        await self.tiers.aset_many(entries, ttl=ttl)

    async def delete(self, key: str) -> bool | None:
        """Delete an entry; whether there was one, nobody knows."""
        await self.tiers.adelete(key)
        return None

    async def invalidate(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Drop the entries of keys, and those with tags."""
        if keys := list(keys):
            await self.tiers.ainvalidate(*keys)
        if tags := list(tags):
            await self.tiers.ainvalidate_tag(*tags)

    async def clear(self) -> None:
        """Drop all entries."""
        await self.tiers.aclear()

    def describe(self) -> dict[str, Any]:
        """Return what it is, and what it has done so far."""
        return {"kind": "tiers", "stats": asdict(self.tiers.stats())}

    def explain(self, key: str) -> dict[str, Any]:
        """Refuse: only what is in memory alone is explained."""
        raise Problem(409, f"nothing explains {key!r}: this cache has tiers")

    async def outage(self) -> str | None:
        """Return why its last tier cannot be asked; None if it can."""
        *_, last = (await self.tiers.ahealth()).values()
        return None if last.up else "its last tier is down"

    async def close(self) -> None:
        """Write what waits to be written, and end."""
        await self.tiers.aclose()
