"""A tier in a Redis or Valkey server, in one that sentinels watch, or in a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, TypeVar
from weakref import WeakSet

from augury.codecs import Serializer
from augury.errors import ConfigurationError, TierError
from augury.parameters import check_instance, check_number
from augury.tiers.contract import Health, Key, Tier, Tracking
from augury.tiers.entry import Entry, Held, Lease
from augury.tiers.redis.address import address_of
from augury.tiers.redis.connections import AsyncConnections, Connections
from augury.tiers.redis.operations import Operations
from augury.tiers.redis.routes import Plan, route_of

if TYPE_CHECKING:
    import redis

T = TypeVar("T")


class Redis(Tier):
    """Entries in Redis or Valkey, shared by all processes that name the same servers.

    An operation costs one round trip, to all servers concerned at the same time, for each 1,000
    keys or 4 MiB; a second one where something changed (`get_changed`), or where what stands in
    the way of a lease cannot be read. A server that sees a script for the first time, and a cluster
    whose slots have moved, cost one more. Each request is sent once: whoever wants it repeated, or
    servers that fail left alone for a while, has `augury.Tiers`.

    Connections are its own: one for each thread or coroutine that is using the tier at a time; the
    client that was given, if any, is only asked how to connect. Redis 6.2 or Valkey is needed, for
    a cluster Redis 7.0.

    Parameters
    ----------
    where
        ``redis://[[user]:password@]host[:port][/db]``, ``rediss://...`` with TLS,
        ``unix:///path?db=0``, ``redis+sentinel://host:port,host:port/service[/db]``,
        ``redis+cluster://host:port,host:port``, the last two also with ``rediss``; or a
        `redis.Redis` (also one that a `redis.sentinel.Sentinel` made) or `redis.RedisCluster`.
        Options follow as in redis-py, such as ``?ssl_ca_certs=...``. User and password are those of
        the servers; sentinels may have a ``?sentinel_password=``.
    namespace
        What the keys begin with on the servers, up to 200 bytes and not empty. Tiers with unequal
        namespaces share servers without seeing one another.
    serializer
        How values become bytes; by default an `augury.codecs.Serializer` of its own.
    timeout
        Seconds for connecting to a server, and for each of its replies. An operation that has to
        ask first who is the primary may take twice as long.
    heartbeat
        Seconds: how stale a copy of an entry can be that `track` says may be served, whatever
        happens to servers and network.
    name
        What reports call it.

    Raises
    ------
    ConfigurationError
        If a parameter is not as above. A server that does not answer is no error yet.
    MissingExtraError
        If redis-py is not installed.

    Examples
    --------
    >>> tier = Redis("redis://127.0.0.1:6379", namespace="shop")
    >>> tier
    Redis('127.0.0.1:6379', namespace='shop')
    >>> tier.close()
    """

    shared: ClassVar[bool] = True

    def __init__(
        self,
        where: str | redis.Redis | redis.RedisCluster,
        *,
        namespace: str = "augury",
        serializer: Serializer | None = None,
        timeout: float = 0.25,
        heartbeat: float = 1.0,
        name: str = "redis",
    ) -> None:
        check_instance("namespace", namespace, str)
        check_instance("name", name, str)
        if serializer is not None:
            check_instance("serializer", serializer, Serializer)
        prefix = namespace.encode(errors="surrogatepass")
        if not 0 < len(prefix) <= 200:
            raise ConfigurationError(f"namespace must have 1 to 200 bytes, not {namespace!r}")
        check_number("timeout", timeout)
        check_number("heartbeat", heartbeat)
        self._address = address_of(where)
        self._prefix = prefix + b":"
        self._route = route_of(self._address)
        self._operations = Operations(
            self._route,
            clustered=self._address.cluster,
            prefix=self._prefix,
            serializer=serializer or Serializer(),
            # Whoever uses the tier may set it later.
            on_corrupt=lambda error: self.on_corrupt(error),  # noqa: PLW0108
        )
        self._connections = Connections(self._address, timeout)
        self._async_connections = AsyncConnections(self._address, timeout)
        self._namespace = namespace
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._trackings: WeakSet[Tracking] = WeakSet()
        self._closed = False
        self.name = name

    def __repr__(self) -> str:
        return f"Redis({str(self._address)!r}, namespace={self._namespace!r})"

    def _run(self, plan: Plan[T]) -> T:
        with self._telling():
            return self._connections.run(plan)

    async def _arun(self, plan: Plan[T]) -> T:
        with self._telling():
            return await self._async_connections.run(plan)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Refuse to work once closed, and say in errors which tier it was."""
        if self._closed:
            raise TierError(f"tier {self.name!r} is closed")
        try:
            yield
        except TierError as error:
            raise TierError(f"tier {self.name!r}: {error}") from error.__cause__

    # The contract.

    def get_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Return what is held under these keys."""
        return self._run(self._operations.read(keys))

    async def aget_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Do what `get_many` does."""
        return await self._arun(self._operations.read(keys))

    def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Store entries, in place of whatever is there."""
        self._run(self._operations.store(entries))

    async def aset_many(self, entries: Mapping[Key, Entry]) -> None:
        """Do what `set_many` does."""
        await self._arun(self._operations.store(entries))

    def delete_many(self, keys: Collection[Key]) -> None:
        """Remove whatever is held under these keys."""
        self._run(self._operations.delete(keys))

    async def adelete_many(self, keys: Collection[Key]) -> None:
        """Do what `delete_many` does."""
        await self._arun(self._operations.delete(keys))

    def lease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Place a lease on keys; return what stands in its way."""
        return self._run(self._operations.lease(keys, lease))

    async def alease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Do what `lease_many` does."""
        return await self._arun(self._operations.lease(keys, lease))

    def fill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries, each only if its key still has this lease; return the keys stored."""
        return self._run(self._operations.fill(entries, lease))

    async def afill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Do what `fill_many` does."""
        return await self._arun(self._operations.fill(entries, lease))

    def replace_many(self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]) -> set[Key]:
        """Store entries, each only if its key still holds the entry of this version."""
        return self._run(self._operations.replace(entries, versions))

    async def areplace_many(
        self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]
    ) -> set[Key]:
        """Do what `replace_many` does."""
        return await self._arun(self._operations.replace(entries, versions))

    def release_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Remove the lease from keys that still have it."""
        self._run(self._operations.fill(dict.fromkeys(keys), lease))

    async def arelease_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Do what `release_many` does."""
        await self._arun(self._operations.fill(dict.fromkeys(keys), lease))

    def get_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Return what is held under these keys, but for entries of the version named here."""
        return self._run(self._operations.changed(versions))

    async def aget_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Do what `get_changed` does."""
        return await self._arun(self._operations.changed(versions))

    def clear(self) -> None:
        """Remove everything in the namespace, by listing the keys of each primary.

        Keys that a cluster moves at the same time may be left: call it again once they have moved.
        """
        self._run(self._operations.clear())

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await self._arun(self._operations.clear())

    def health(self) -> Health:
        """Ask every primary whether it answers."""
        began = time.perf_counter()
        try:
            self._run(self._operations.ping())
        except TierError as error:
            return Health(up=False, reason=str(error))
        return Health(up=True, seconds=time.perf_counter() - began)

    async def ahealth(self) -> Health:
        """Do what `health` does."""
        began = time.perf_counter()
        try:
            await self._arun(self._operations.ping())
        except TierError as error:
            return Health(up=False, reason=str(error))
        return Health(up=True, seconds=time.perf_counter() - began)

    def track(self) -> Tracking:
        """Begin to hear of writes to the namespace; docs/redis.md says what that promises.

        Returns at once: until it has connected to every primary, it is not trusted.
        """
        from augury.tiers.redis.tracking import RedisTracking

        with self._telling():
            tracking = RedisTracking(
                self._address,
                self._route,
                prefix=self._prefix,
                timeout=self._timeout,
                heartbeat=self._heartbeat,
                name=self.name,
            )
        self._trackings.add(tracking)
        return tracking

    def close(self) -> None:
        """Close the connections, those of trackings, too."""
        self._closed = True
        for tracking in list(self._trackings):
            tracking.close()
        self._connections.close()
        self._async_connections.close()

    async def aclose(self) -> None:
        """Close the connections, those of this event loop at once."""
        for tracking in list(self._trackings):
            await asyncio.to_thread(tracking.close)
        self._closed = True
        self._connections.close()
        await self._async_connections.aclose()
