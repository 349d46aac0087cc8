"""What every tier promises to whoever uses it, and may expect from him."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from augury.errors import CorruptValueError
from augury.tiers.entry import Entry, Held, Lease

Key = Hashable

_log = logging.getLogger("augury.tiers")


@dataclass(frozen=True, slots=True)
class Health:
    """How a tier is.

    Examples
    --------
    >>> print(Health(up=False, reason="connection refused"))
    down: connection refused
    """

    up: bool
    """Whether it answered just now."""
    reason: str = ""
    """Why not, in one line."""
    seconds: float = 0.0
    """How long the answer took."""
    entries: int | None = None
    """How many entries it holds, where that is known cheaply."""
    bytes: int | None = None
    """How many bytes it holds, where that is known cheaply."""

    def __str__(self) -> str:
        return f"up, {self.seconds * 1e3:.1f} ms" if self.up else f"down: {self.reason}"


def _warn(error: CorruptValueError) -> None:
    """Log a warning of an error."""
    _log.warning("a stored value counts as a miss: %s", error)


class Tracking(ABC):
    """Hears of every write to a tier, whoever writes."""

    @property
    @abstractmethod
    def trusted(self) -> bool:
        """Whether what was heard is complete up to now."""

    @abstractmethod
    def poll(self) -> Collection[bytes] | None:
        """Return the names of keys written or deleted since the last call, without waiting.

        A name is the first 16 bytes of the key's `augury.tiers.frame.address`. None: something may
        have been missed, so that every copy has to be dropped.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back its connections. A second call does nothing."""


class Tier(ABC):
    """One level of storage: memory, disk, a server, or several servers.

    The contract, which `tests/conformance/test_tiers.py` checks for every tier:

    - Methods take many keys at once and cost at most one round trip to each server concerned, but
      where they say otherwise. Keys are hashable values; tiers outside the process also need them
      to have an `augury.keys.encode`.
    - What is not there is left out of the result. So is an entry past its `expires`, a lease past
      its `until`, and whatever cannot be read: bytes that are damaged, truncated, foreign or
      tampered with count as a miss, are reported to `on_corrupt`, and are never executed.
    - What a method returns was there at some moment between its call and its return, and a value
      is only ever returned under the key that it was stored under.
    - A tier may forget anything at any time. It never brings back what was deleted or replaced,
      unless a method has raised: then either may be the case.
    - A `TierError` means that the tier cannot do now what it was asked: it is down, hung for longer
      than its time-out, full, or read-only. Nothing else is raised but for a caller's mistakes
      (`CodecError`, `KeyEncodingError`, `ConfigurationError`). A closed tier raises it, too.
    - Threads and tasks may share a tier, and forked processes go on with it.

    Each method has a twin for coroutines, named with an `a`. By default these run in a thread.
    """

    name: str
    """What reports call it."""
    shared: ClassVar[bool] = False
    """Whether other processes see what is in it."""
    on_corrupt: Callable[[CorruptValueError], object] = staticmethod(_warn)
    """Is told of bytes that could not be read; by default it logs a warning."""

    @abstractmethod
    def get_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Return what is held under these keys."""

    @abstractmethod
    def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Store entries, in place of whatever is there: other entries or leases."""

    @abstractmethod
    def delete_many(self, keys: Collection[Key]) -> None:
        """Remove whatever is held under these keys, leases included."""

    @abstractmethod
    def lease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Place a lease on keys, each at once or not at all; return what stands in its way.

        A loader's lease is placed where nothing is held. A writer's (`lease.writes`) is placed in
        place of anything but another writer's. Keys that are not in the result have the lease now.
        """

    @abstractmethod
    def fill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries, each only if its key still has this lease; return the keys stored.

        At most two round trips to each server concerned.
        """

    @abstractmethod
    def replace_many(self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]) -> set[Key]:
        """Store entries, each only if its key still holds the entry of the version in `versions`.

        Return the keys stored. At most two round trips to each server concerned.
        """

    @abstractmethod
    def release_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Remove the lease from keys that still have it. At most two round trips."""

    def get_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Return what is held under these keys, but for entries of the version named here.

        Here, a key that nothing is held under has None; the version ``b""`` is that of no entry. At
        most two round trips, the second for what has changed; one, if all versions are ``b""``.
        """
        held = self.get_many(versions)
        return {
            key: found
            for key, version in versions.items()
            if not (isinstance(found := held.get(key), Entry) and found.version == version)
        }

    def track(self) -> Tracking | None:
        """Return what hears of writes to the tier from now on; None if it cannot tell."""
        return None

    @abstractmethod
    def clear(self) -> None:
        """Remove everything that this tier has stored in its namespace. May take long."""

    @abstractmethod
    def health(self) -> Health:
        """Ask how it is, and return that. Raises nothing."""

    @abstractmethod
    def close(self) -> None:
        """Give back connections, files and threads. A second call does nothing."""

    async def aget_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Do what `get_many` does."""
        return await asyncio.to_thread(self.get_many, keys)

    async def aset_many(self, entries: Mapping[Key, Entry]) -> None:
        """Do what `set_many` does."""
        await asyncio.to_thread(self.set_many, entries)

    async def adelete_many(self, keys: Collection[Key]) -> None:
        """Do what `delete_many` does."""
        await asyncio.to_thread(self.delete_many, keys)

    async def alease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Do what `lease_many` does."""
        return await asyncio.to_thread(self.lease_many, keys, lease)

    async def afill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Do what `fill_many` does."""
        return await asyncio.to_thread(self.fill_many, entries, lease)

    async def areplace_many(
        self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]
    ) -> set[Key]:
        """Do what `replace_many` does."""
        return await asyncio.to_thread(self.replace_many, entries, versions)

    async def arelease_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Do what `release_many` does."""
        await asyncio.to_thread(self.release_many, keys, lease)

    async def aget_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Do what `get_changed` does."""
        return await asyncio.to_thread(self.get_changed, versions)

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await asyncio.to_thread(self.clear)

    async def ahealth(self) -> Health:
        """Do what `health` does."""
        return await asyncio.to_thread(self.health)

    async def aclose(self) -> None:
        """Do what `close` does."""
        await asyncio.to_thread(self.close)
