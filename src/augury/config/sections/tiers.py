"""``[[caches.NAME.tiers]]``: one level of storage, by its `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from augury.config.policy import PolicyName
from augury.config.quantities import Bytes, Capacity, Seconds
from augury.config.secret import SecretUrl
from augury.config.sections.section import LocalPath, Section


class MemoryTier(Section):
    """In this process; can only be the first: ``kind = "memory"``."""

    kind: Literal["memory"]
    """Which tier it is."""
    capacity: Capacity = 100_000
    """Entries, or bytes of values with a unit."""
    policy: PolicyName = "auto"
    """Who leaves when there is no room."""


class DiskTier(Section):
    """In a folder that the processes of a machine share: ``kind = "disk"``."""

    kind: Literal["disk"]
    """Which tier it is."""
    folder: LocalPath
    """Where it lives, on a local disk."""
    capacity: Annotated[Bytes, Field(ge=1 << 20, le=1 << 38)] = 1 << 30
    """Bytes that keys, values and index may take."""
    timeout: Seconds = 1.0
    """How long a write waits for a writer in another process."""


class RedisTier(Section):
    """In Redis or Valkey: ``kind = "redis"``."""

    kind: Literal["redis"]
    """Which tier it is."""
    url: SecretUrl
    """Of the server, of sentinels or of a cluster; see docs/redis.md."""
    namespace: Annotated[str, Field(min_length=1)] = "augury"
    """What the keys begin with on the servers."""
    timeout: Seconds = 0.25
    """For connecting, and for each reply."""
    heartbeat: Seconds = 1.0
    """How stale a copy can be with ``consistency = "tracked"``."""


class MemcachedTier(Section):
    """In Memcached: ``kind = "memcached"``."""

    kind: Literal["memcached"]
    """Which tier it is."""
    servers: Annotated[tuple[str, ...], Field(min_length=1)]
    """Each "host:port", or the path of a Unix socket."""
    namespace: Annotated[str, Field(min_length=1)] = "augury"
    """What the keys begin with on the servers."""
    timeout: Seconds = 0.25
    """That one round trip may take."""
    item_size: Bytes = 1 << 20
    """Bytes that the servers take for one entry."""


TierSection = Annotated[
    MemoryTier | DiskTier | RedisTier | MemcachedTier, Field(discriminator="kind")
]
"""Any of them."""
