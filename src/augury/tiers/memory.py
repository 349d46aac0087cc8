"""The first tier: a cache in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from augury.cache import Cache
from augury.errors import ConfigurationError, TierError
from augury.events import Cause
from augury.forks import renew_in_child
from augury.parameters import check_function, check_instance
from augury.policies import Policy
from augury.tiers.contract import Health, Key, Tier
from augury.tiers.entry import ABSENT, Entry, Held, Lease, is_live

_FOREVER = float("inf")
_MOST_LEASES = 10_000


class Memory(Tier):
    """Entries in an `augury.Cache`, whose policy decides who stays.

    Values are the objects that were stored: whoever changes one changes it for everybody.

    Parameters
    ----------
    capacity
        How much it holds: entries, or with a weigher the sum of their weights.
    policy
        As of `augury.Cache`; by default ``"auto"``.
    weigher
        ``weigher(key, value)`` returns an entry's weight, a positive integer. By default 1, which
        is what negative entries weigh, too.
    name
        What reports call it.
    **options
        What else `augury.Cache` takes: `model`, `learn`, `record`, `seed`.

    Examples
    --------
    >>> tier = Memory(1_000)
    >>> tier.set_many({"a": Entry(1)})
    >>> tier.get_many(["a", "b"])["a"].value
    1
    """

    def __init__(
        self,
        capacity: int,
        *,
        policy: str | Policy = "auto",
        weigher: Callable[[Any, Any], int] | None = None,
        name: str = "memory",
        **options: Any,
    ) -> None:
        check_instance("name", name, str)
        if weigher is not None:
            check_function("weigher", weigher)
        self.name = name
        weigh = None
        if weigher is not None:
            # A weigher knows how to weigh values, not their absence.
            weigh = lambda key, entry: (  # noqa: E731
                1 if entry.value is ABSENT else weigher(key, entry.value)
            )
        self.cache: Cache[Any, Entry] = Cache(
            capacity, policy=policy, weigher=weigh, on_evict=self._left, **options
        )
        """Where the entries are; read its statistics, or let it explain a key."""
        self._leases: dict[Key, Lease] = {}
        self._listener: Callable[[Any, Any, Cause], object] | None = None
        self._closed = False
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"Memory({self.cache!r})"

    def adopt(self, listener: Callable[[Any, Any, Cause], object]) -> Cache[Any, Any]:
        """Return the cache to whoever keeps copies of another tier in it, and to nobody else.

        Parameters
        ----------
        listener
            Is told of each key, value and cause, whenever an entry leaves.

        Raises
        ------
        ConfigurationError
            If another has it.
        """
        if self._listener is not None:
            raise ConfigurationError(
                f"tier {self.name!r} is in use by another Tiers; give each one"
            )
        self._listener = listener
        return self.cache

    def _left(self, key: Any, held: Any, cause: Cause) -> None:
        if self._listener is not None:
            self._listener(key, held, cause)

    def _now(self) -> float:
        """Return the time, unless the tier is closed."""
        if self._closed:
            raise TierError(f"tier {self.name!r} is closed")
        return time.time()

    def get_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Return what is held under these keys."""
        now = self._now()
        found: dict[Key, Held] = self.cache.get_many(keys)  # type: ignore[assignment]
        for key in keys if self._leases else ():
            if (lease := self._leases.get(key)) is not None:
                found[key] = lease
        gone = [key for key, held in found.items() if not is_live(held, now)]
        for key in gone:
            del found[key]
        return found

    def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Store entries, in place of whatever is there."""
        now = self._now()
        for key, entry in entries.items():
            with self._lock:
                self._leases.pop(key, None)
                self._store(key, entry, now)

    def _store(self, key: Key, entry: Entry, now: float) -> None:
        if entry.expires == _FOREVER:
            self.cache.set(key, entry)
        elif now < entry.expires:
            self.cache.set(key, entry, ttl=entry.expires - now)
        else:
            self.cache.delete(key)

    def delete_many(self, keys: Collection[Key]) -> None:
        """Remove whatever is held under these keys."""
        self._now()
        for key in keys:
            with self._lock:
                self._leases.pop(key, None)
                self.cache.delete(key)

    def lease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Place a lease on keys; return what stands in its way."""
        now = self._now()
        in_the_way: dict[Key, Held] = {}
        for key in keys:
            with self._lock:
                held: Held | None = self._leases.get(key)
                if held is None or not is_live(held, now):
                    held = self.cache.peek(key)
                if held is None or not is_live(held, now):
                    self._leases[key] = lease
                elif lease.writes and not (isinstance(held, Lease) and held.writes):
                    self.cache.delete(key)
                    self._leases[key] = lease
                else:
                    in_the_way[key] = held
        if len(self._leases) > _MOST_LEASES:
            self._drop_ended_leases(now)
        return in_the_way

    def _drop_ended_leases(self, now: float) -> None:
        with self._lock:
            self._leases = {k: lease for k, lease in self._leases.items() if is_live(lease, now)}

    def fill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries, each only if its key still has this lease; return the keys stored."""
        now = self._now()
        filled = set()
        for key, entry in entries.items():
            with self._lock:
                if self._take(key, lease, now):
                    self._store(key, entry, now)
                    filled.add(key)
        return filled

    def replace_many(self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]) -> set[Key]:
        """Store entries, each only if its key still holds the entry of this version."""
        now = self._now()
        replaced = set()
        for key, entry in entries.items():
            with self._lock:
                there = None if key in self._leases else self.cache.peek(key)
                if there is not None and there.version == versions[key] and is_live(there, now):
                    self._store(key, entry, now)
                    replaced.add(key)
        return replaced

    def release_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Remove the lease from keys that still have it."""
        now = self._now()
        for key in keys:
            with self._lock:
                self._take(key, lease, now)

    def _take(self, key: Key, lease: Lease, now: float) -> bool:
        """Remove the lease from a key; return whether it was there and holds."""
        there = self._leases.get(key)
        if there is None or there.token != lease.token:
            return False
        del self._leases[key]
        return is_live(there, now)

    def clear(self) -> None:
        """Remove everything."""
        self._now()
        with self._lock:
            self._leases.clear()
            self.cache.clear()

    def health(self) -> Health:
        """Tell how many entries there are."""
        if self._closed:
            return Health(up=False, reason="closed")
        return Health(up=True, entries=len(self.cache))

    def close(self) -> None:
        """Drop the entries."""
        self._closed = True
        self._leases.clear()
        self.cache.clear()

    # Nothing here waits for anything, so coroutines need no thread.

    async def aget_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Do what `get_many` does."""
        return self.get_many(keys)

    async def aset_many(self, entries: Mapping[Key, Entry]) -> None:
        """Do what `set_many` does."""
        self.set_many(entries)

    async def adelete_many(self, keys: Collection[Key]) -> None:
        """Do what `delete_many` does."""
        self.delete_many(keys)

    async def alease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Do what `lease_many` does."""
        return self.lease_many(keys, lease)

    async def afill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Do what `fill_many` does."""
        return self.fill_many(entries, lease)

    async def areplace_many(
        self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]
    ) -> set[Key]:
        """Do what `replace_many` does."""
        return self.replace_many(entries, versions)

    async def arelease_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Do what `release_many` does."""
        self.release_many(keys, lease)

    async def aget_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Do what `get_changed` does."""
        return self.get_changed(versions)
