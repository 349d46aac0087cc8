"""What a tier asks of Redis servers, and what their replies mean: for threads and coroutines alike.

Each operation is a `Plan`. Everything is encoded before anything is sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from augury.codecs import Serializer
from augury.errors import CorruptValueError, TierError
from augury.tiers import frame
from augury.tiers.contract import Key
from augury.tiers.entry import Entry, Held, Lease
from augury.tiers.redis.routes import Command, Plan, Route, Words, code_of
from augury.tiers.redis.scripts import PLACE, SWAP

CHUNK_COMMANDS = 1_000
"""Keys that are asked for in one round trip at most."""
CHUNK_BYTES = 4 * 2**20
"""Bytes that are sent in one round trip at most, but for a single longer entry."""
NAME_BYTES = 16
"""Bytes of an address that servers know a key by, after the prefix of the namespace."""

_LOADS, _WRITES = b"Au\x01R", b"Au\x01W"
_ENTRIES = (b"Au\x01V", b"Au\x01N")
_LATEST = 2**53  # milliseconds: servers refuse dates that do not fit into their integers
_MOST_SCANS = 3
_MOST_TRIES = 3


class Operations:
    """What can be done to the entries and leases of a namespace.

    Parameters
    ----------
    route
        Knows which server has a key.
    clustered
        Whether keys are in slots, so that no command may name two.
    prefix
        What the servers' names of keys begin with.
    serializer
        How values become bytes.
    on_corrupt
        Is told of bytes that cannot be read.
    """

    def __init__(
        self,
        route: Route,
        *,
        clustered: bool,
        prefix: bytes,
        serializer: Serializer,
        on_corrupt: Callable[[CorruptValueError], object],
    ) -> None:
        self._route = route
        self._clustered = clustered
        self._prefix = prefix
        self._serializer = serializer
        self._on_corrupt = on_corrupt

    def name(self, address: bytes) -> bytes:
        """Return what servers know the key with this address by."""
        return self._prefix + address[:NAME_BYTES]

    def _live(self, address: bytes, reply: Any) -> Held | None:
        """Return what a reply to a read holds, unless it has expired or cannot be read."""
        if reply is None:
            return None
        if isinstance(reply, Exception):
            if code_of(reply) != "WRONGTYPE":
                raise _refused(reply)
            self._on_corrupt(CorruptValueError("a key of this namespace holds no bytes"))
            return None
        return frame.unpack_live(address, reply, self._serializer, self._on_corrupt)

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

    def read(self, keys: Collection[Key]) -> Plan[dict[Key, Held]]:
        """Return what is held under these keys."""
        addresses = {key: frame.address(key) for key in keys}
        names = [self.name(address) for address in addresses.values()]
        replies: list[Any] = []
        if not self._clustered:
            for start in range(0, len(names), CHUNK_COMMANDS):
                chunk = names[start : start + CHUNK_COMMANDS]
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

    def store(self, entries: Mapping[Key, Entry]) -> Plan[None]:
        """Store entries."""
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
        until = None if end >= frame.AS_GOOD_AS_FOREVER else min(max(1, round(end * 1e3)), _LATEST)
        return self.name(address), data if now < end else b"", until

    def delete(self, keys: Collection[Key]) -> Plan[None]:
        """Remove whatever is held under these keys."""
        names = [self.name(frame.address(key)) for key in keys]
        yield from self._send([Command(name, ("UNLINK", name)) for name in names])

    def lease(self, keys: Collection[Key], lease: Lease) -> Plan[dict[Key, Held]]:
        """Place a lease on keys; return what stands in its way."""
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
            name, data, until = self.name(address), b"", None
            if entry is not None:
                name, data, until = self._pack(address, entry, now)
            words = ("EVALSHA", SWAP, 1, name, data, until or "", *seen(key))
            commands.append(Command(name, words))
        replies = yield from self._send(commands)
        return {key for key, reply in zip(entries, replies, strict=True) if reply}

    def fill(self, entries: Mapping[Key, Entry | None], lease: Lease) -> Plan[set[Key]]:
        """Store entries (None: delete) where keys still have this lease; return these keys."""
        # The server's clock may be behind, and still hold the lease.
        if lease.until <= time.time():
            return set()
        kind = _WRITES if lease.writes else _LOADS
        return (yield from self._swap(entries, lambda _: (lease.token, kind)))

    def replace(
        self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]
    ) -> Plan[set[Key]]:
        """Store entries where keys still hold those of these versions; return these keys."""
        return (yield from self._swap(entries, lambda key: (versions[key], *_ENTRIES)))

    def changed(self, versions: Mapping[Key, bytes]) -> Plan[dict[Key, Held | None]]:
        """Return what is held under these keys, but for entries of these versions."""
        addresses = {key: frame.address(key) for key in versions}
        last = frame.HEADER.size - 1
        commands = []
        for key, version in versions.items():
            name = self.name(addresses[key])
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
        held = (yield from self.read(changed)) if changed else {}
        return found | {key: held.get(key) for key in changed}

    def clear(self) -> Plan[None]:
        """Delete what servers list, until they have not exchanged slots meanwhile."""
        pattern = _literally(self._prefix) + b"?" * NAME_BYTES
        for _ in range(_MOST_SCANS):
            yield from self._route.learn()
            before = self._route.state
            cursors: dict[Any, Any] = dict.fromkeys(self._route.primaries, 0)
            while cursors:
                replies = yield {
                    node: [("SCAN", cursor, "MATCH", pattern, "COUNT", CHUNK_COMMANDS)]
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

    def ping(self) -> Plan[None]:
        """Ask every primary whether it answers; raise `TierError` if not."""
        yield from self._route.learn()
        replies = yield {node: [("PING",)] for node in self._route.primaries}
        for node, (reply,) in replies.items():
            if isinstance(reply, Exception):
                raise TierError(f"{node}: {reply}")


def _write(name: bytes, data: bytes, until: int | None) -> Words:
    return ("SET", name, data) if until is None else ("SET", name, data, "PXAT", until)


def _chunks(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    """Divide commands into what is sent in one round trip."""
    start = size = 0
    for end, command in enumerate(commands):
        longer = sum(len(word) for word in command.words if isinstance(word, bytes))
        if end - start == CHUNK_COMMANDS or (size + longer > CHUNK_BYTES and end > start):
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
