"""What tiers hold under a key: an entry, or the lease of whoever is about to write one."""

from __future__ import annotations

import enum
import os
from typing import Any, Final

import msgspec


class _Absent(enum.Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""The value of an entry that says: the source has nothing under this key."""


def new_version() -> bytes:
    """Return 16 random bytes: no two writes have the same."""
    return os.urandom(16)


class Entry(msgspec.Struct, frozen=True):
    """A value, how long it may be served, and which write it came from.

    Times are seconds since 1970: machines that share a tier are expected to keep them within a
    fraction of the times to live that they use.

    Examples
    --------
    >>> entry = Entry(42, expires=100.0)
    >>> entry.value, len(entry.version), entry.tags
    (42, 16, ())
    """

    value: Any
    """What was asked for; `ABSENT` if the source has nothing."""
    version: bytes = msgspec.field(default_factory=new_version)
    """16 bytes that no other write has."""
    written: float = 0.0
    """When the value was loaded or written."""
    fresh_until: float = float("inf")
    """From when on it is stale: served while a new one is fetched."""
    expires: float = float("inf")
    """From when on it must not be served."""
    cost: float = 0.0
    """Seconds that it took to load."""
    tags: tuple[tuple[str, bytes], ...] = ()
    """Names, each with the generation that it had before the value was loaded: the entry is void
    once one of them has another."""


class Lease(msgspec.Struct, frozen=True):
    """The right to fill a key, which any other write of the key ends.

    This is the lease of memcache: a value loaded from the source is stored only if nobody has
    written or deleted the key since the load began, so that a slow loader never overwrites newer
    data.

    References
    ----------
    Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1.
    """

    until: float
    """When it ends by itself, in seconds since 1970."""
    writes: bool = False
    """Whether its holder writes to the source. Such a lease replaces entries and the leases of
    loaders; loaders do not wait for it, and other writers do."""
    token: bytes = msgspec.field(default_factory=new_version)
    """16 bytes that no other lease has."""


Held = Entry | Lease
"""What can be under a key."""


def is_live(held: Held, now: float) -> bool:
    """Return whether an entry may still be served, or a lease holds."""
    return now < (held.expires if isinstance(held, Entry) else held.until)
