"""A tier in a Redis or Valkey server, in one that sentinels watch, or in a cluster."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakSet

from augury.codecs import Serializer
from augury.errors import ConfigurationError, CorruptValueError, TierError
from augury.tiers import frame
from augury.tiers.contract import Health, Key, Tier, Tracking
from augury.tiers.entry import Entry, Held, Lease
from augury.tiers.redis_address import address_of
from augury.tiers.redis_connections import AsyncConnections, Connections
from augury.tiers.redis_routes import Command, Plan, Words, code_of, route_of
from augury.tiers.redis_scripts import PLACE, SWAP

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

_NAME_BYTES = 16
_CHUNK_COMMANDS = 1_000
_CHUNK_BYTES = 4 * 2**20
_FOREVER = float("inf")
_LOADS, _WRITES = b"Au\x01R", b"Au\x01W"
_ENTRIES = (b"Au\x01V", b"Au\x01N")
_MOST_SCANS = 3
_MOST_TRIES = 3


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
        if not 0 < len(namespace.encode()) <= 200:
            raise ConfigurationError(f"namespace must have 1 to 200 bytes, not {namespace!r}")
        if not 0 < timeout < _FOREVER:
            raise ConfigurationError(f"timeout must be a positive number, not {timeout!r}")
        if not 0 < heartbeat < _FOREVER:
            raise ConfigurationError(f"heartbeat must be a positive number, not {heartbeat!r}")
        self._address = address_of(where)
        self._route = route_of(self._address)
        self._connections = Connections(self._address, timeout)
        self._async_connections = AsyncConnections(self._address, timeout)
        self._namespace = namespace
        self._prefix = namespace.encode() + b":"
        self._serializer = serializer or Serializer()
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._trackings: WeakSet[Tracking] = WeakSet()
        self._closed = False
        self.name = name

    def __repr__(self) -> str:
        return f"Redis({str(self._address)!r}, namespace={self._namespace!r})"

    # What is asked of servers, and what their replies mean; for threads and for coroutines alike.

    def _name(self, address: bytes) -> bytes:
        return self._prefix + address[:_NAME_BYTES]

    def _live(self, address: bytes, reply: Any) -> Held | None:
        """Return what a reply to a read holds, unless it has expired or cannot be read."""
        if reply is None:
            return None
        if isinstance(reply, Exception):
            if code_of(reply) != "WRONGTYPE":
                raise _refused(reply)
            self.on_corrupt(CorruptValueError("a key of this namespace holds no bytes"))
            return None
        return frame.unpack_live(address, reply, self._serializer, self.on_corrupt)

    def _send(self, commands: Sequence[Command], *, refuse: bool = True) -> Plan[list[Any]]:
        """Send commands, some at a time, and return their replies; raise the first error."""
        replies: list[Any] = []
        for chunk in _chunks(commands):
            replies += yield from self._route.deliver(chunk)
        if refuse:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise _refused(reply)
        return replies

    def _get(self, keys: Collection[Key]) -> Plan[dict[Key, Held]]:
        addresses = {key: frame.address(key) for key in keys}
        names = [self._name(address) for address in addresses.values()]
        replies: list[Any] = []
        if not self._address.cluster:
            for start in range(0, len(names), _CHUNK_COMMANDS):
                chunk = names[start : start + _CHUNK_COMMANDS]
                (found,) = yield from self._send([Command(chunk[0], ("MGET", *chunk))])
                replies += found
        else:
            replies = yield from self._send(
                [Command(name, ("GET", name)) for name in names], refuse=False
            )
        held = {}
        for (key, address), reply in zip(addresses.items(), replies, strict=True):
            if (live := self._live(address, reply)) is not None:
                held[key] = live
        return held

    def _set(self, entries: Mapping[Key, Entry]) -> Plan[None]:
        now = time.time()
        packed = {key: self._pack(frame.address(key), entry, now) for key, entry in entries.items()}
        yield from self._send(
            [
                Command(name, _write(name, data, until) if data else ("UNLINK", name))
                for name, data, until in packed.values()
            ]
        )

    def _pack(self, address: bytes, held: Held, now: float) -> tuple[bytes, bytes, int | None]:
        """Return under what name to store what, and until when in milliseconds.

        Nothing is to be stored if it has expired.
        """
        end = held.expires if isinstance(held, Entry) else held.until
        data = frame.pack(address, held, self._serializer)
        until = None if end == _FOREVER else max(1, round(end * 1e3))
        return self._name(address), data if now < end else b"", until

    def _delete(self, keys: Collection[Key]) -> Plan[None]:
        names = [self._name(frame.address(key)) for key in keys]
        yield from self._send([Command(name, ("UNLINK", name)) for name in names])

    def _lease(self, keys: Collection[Key], lease: Lease) -> Plan[dict[Key, Held]]:
        waiting = {key: (frame.address(key), b"") for key in keys}
        in_the_way: dict[Key, Held] = {}
        now = time.time()
        for _ in range(_MOST_TRIES):
            commands = []
            for address, unreadable in waiting.values():
                name, data, until = self._pack(address, lease, now)
                stops = _WRITES if lease.writes else b""
                words = ("EVALSHA", PLACE, 1, name, data, until or "", stops, unreadable)
                commands.append(Command(name, words))
            replies = yield from self._send(commands)
            again = {}
            for (key, (address, _)), reply in zip(waiting.items(), replies, strict=True):
                if reply is None:
                    continue
                if (live := self._live(address, reply)) is not None:
                    in_the_way[key] = live
                else:
                    again[key] = (address, bytes(reply[: frame.HEADER.size]))
            if not again:
                return in_the_way
            waiting = again
        raise TierError("a key is being written again and again with what cannot be read")

    def _swap(
        self, entries: Mapping[Key, Entry | None], seen: Callable[[Key], tuple[bytes, ...]]
    ) -> Plan[set[Key]]:
        """Store entries, or delete, where a version or token and its kind are as seen."""
        now = time.time()
        commands = []
        for key, entry in entries.items():
            address = frame.address(key)
            name, data, until = self._name(address), b"", None
            if entry is not None:
                name, data, until = self._pack(address, entry, now)
            words = ("EVALSHA", SWAP, 1, name, data, until or "", *seen(key))
            commands.append(Command(name, words))
        replies = yield from self._send(commands)
        return {key for key, reply in zip(entries, replies, strict=True) if reply}

    def _fill(self, entries: Mapping[Key, Entry | None], lease: Lease) -> Plan[set[Key]]:
        # The server's clock may be behind, and still hold the lease.
        if lease.until <= time.time():
            return set()
        kind = _WRITES if lease.writes else _LOADS
        return (yield from self._swap(entries, lambda _: (lease.token, kind)))

    def _replace(
        self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]
    ) -> Plan[set[Key]]:
        return (yield from self._swap(entries, lambda key: (versions[key], *_ENTRIES)))

    def _changed(self, versions: Mapping[Key, bytes]) -> Plan[dict[Key, Held | None]]:
        addresses = {key: frame.address(key) for key in versions}
        last = frame.HEADER.size - 1
        commands = []
        for key, version in versions.items():
            name = self._name(addresses[key])
            read = ("GETRANGE", name, 0, last) if version else ("GET", name)
            commands.append(Command(name, read))
        replies = yield from self._send(commands, refuse=False)
        found: dict[Key, Held | None] = {}
        changed = []
        for (key, version), reply in zip(versions.items(), replies, strict=True):
            if not version or isinstance(reply, Exception):
                found[key] = self._live(addresses[key], reply)
            elif reply == b"":
                found[key] = None
            elif frame.version(reply) != version:
                changed.append(key)
        held = (yield from self._get(changed)) if changed else {}
        return found | {key: held.get(key) for key in changed}

    def _clear(self) -> Plan[None]:
        """Delete what servers list, until they have not exchanged slots meanwhile."""
        pattern = _literally(self._prefix) + b"?" * _NAME_BYTES
        for _ in range(_MOST_SCANS):
            yield from self._route.learn()
            before = self._route.state
            cursors: dict[Any, Any] = dict.fromkeys(self._route.primaries, 0)
            while cursors:
                replies = yield {
                    node: [("SCAN", cursor, "MATCH", pattern, "COUNT", _CHUNK_COMMANDS)]
                    for node, cursor in cursors.items()
                }
                names = []
                for node, (reply,) in replies.items():
                    if isinstance(reply, Exception):
                        raise _refused(reply)
                    cursors[node] = int(reply[0])
                    names += reply[1]
                    if not cursors[node]:
                        del cursors[node]
                yield from self._send([Command(name, ("UNLINK", name)) for name in names])
            yield from self._route.learn()
            if self._route.state == before:
                return
        raise TierError("slots of the cluster are moving; clear it again when they have moved")

    def _ping(self) -> Plan[None]:
        yield from self._route.learn()
        replies = yield {node: [("PING",)] for node in self._route.primaries}
        for node, (reply,) in replies.items():
            if isinstance(reply, Exception):
                raise TierError(f"{node}: {reply}")

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
        return self._run(self._get(keys))

    async def aget_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Do what `get_many` does."""
        return await self._arun(self._get(keys))

    def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Store entries, in place of whatever is there."""
        self._run(self._set(entries))

    async def aset_many(self, entries: Mapping[Key, Entry]) -> None:
        """Do what `set_many` does."""
        await self._arun(self._set(entries))

    def delete_many(self, keys: Collection[Key]) -> None:
        """Remove whatever is held under these keys."""
        self._run(self._delete(keys))

    async def adelete_many(self, keys: Collection[Key]) -> None:
        """Do what `delete_many` does."""
        await self._arun(self._delete(keys))

    def lease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Place a lease on keys; return what stands in its way."""
        return self._run(self._lease(keys, lease))

    async def alease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Do what `lease_many` does."""
        return await self._arun(self._lease(keys, lease))

    def fill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries, each only if its key still has this lease; return the keys stored."""
        return self._run(self._fill(entries, lease))

    async def afill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Do what `fill_many` does."""
        return await self._arun(self._fill(entries, lease))

    def replace_many(self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]) -> set[Key]:
        """Store entries, each only if its key still holds the entry of this version."""
        return self._run(self._replace(entries, versions))

    async def areplace_many(
        self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]
    ) -> set[Key]:
        """Do what `replace_many` does."""
        return await self._arun(self._replace(entries, versions))

    def release_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Remove the lease from keys that still have it."""
        self._run(self._fill(dict.fromkeys(keys), lease))

    async def arelease_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Do what `release_many` does."""
        await self._arun(self._fill(dict.fromkeys(keys), lease))

    def get_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Return what is held under these keys, but for entries of the version named here."""
        return self._run(self._changed(versions))

    async def aget_changed(self, versions: Mapping[Key, bytes]) -> dict[Key, Held | None]:
        """Do what `get_changed` does."""
        return await self._arun(self._changed(versions))

    def clear(self) -> None:
        """Remove everything in the namespace, by listing the keys of each primary.

        Keys that a cluster moves at the same time may be left: call it again once they have moved.
        """
        self._run(self._clear())

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await self._arun(self._clear())

    def health(self) -> Health:
        """Ask every primary whether it answers."""
        began = time.perf_counter()
        try:
            self._run(self._ping())
        except TierError as error:
            return Health(up=False, reason=str(error))
        return Health(up=True, seconds=time.perf_counter() - began)

    async def ahealth(self) -> Health:
        """Do what `health` does."""
        began = time.perf_counter()
        try:
            await self._arun(self._ping())
        except TierError as error:
            return Health(up=False, reason=str(error))
        return Health(up=True, seconds=time.perf_counter() - began)

    def track(self) -> Tracking:
        """Begin to hear of writes to the namespace; docs/redis.md says what that promises.

        Returns at once: until it has connected to every primary, it is not trusted.
        """
        from augury.tiers.redis_tracking import RedisTracking

        with self._telling():
            tracking = RedisTracking(
                self._address,
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


def _write(name: bytes, data: bytes, until: int | None) -> Words:
    return ("SET", name, data) if until is None else ("SET", name, data, "PXAT", until)


def _chunks(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    """Divide commands into what is sent in one round trip."""
    start = size = 0
    for end, command in enumerate(commands):
        longer = sum(len(word) for word in command.words if isinstance(word, bytes))
        if end - start == _CHUNK_COMMANDS or (size + longer > _CHUNK_BYTES and end > start):
            yield commands[start:end]
            start, size = end, 0
        size += longer
    if start < len(commands):
        yield commands[start:]


def _refused(reply: Exception) -> TierError:
    return TierError(" ".join(str(reply).split()))


def _literally(prefix: bytes) -> bytes:
    """Return a pattern of ``SCAN`` that only these bytes match."""
    return re.sub(rb"([*?\[\]^\\-])", rb"\\\1", prefix)
