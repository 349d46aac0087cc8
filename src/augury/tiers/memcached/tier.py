"""A tier in Memcached servers, with leases made of compare-and-swap."""

from __future__ import annotations

import logging
import math
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from xxhash import xxh3_64_intdigest

from augury.codecs import Serializer
from augury.errors import (
    ConfigurationError,
    MissingExtraError,
    TierError,
)
from augury.parameters import check_instance, check_integer, check_number
from augury.tiers import frame
from augury.tiers.contract import Health, Key, Tier
from augury.tiers.entry import Entry, Held, Lease
from augury.tiers.memcached.server import LARGEST_ITEM, TOO_LARGE, Link, Server

Places = dict[bytes, tuple[Key, bytes]]
"""What servers know keys by, with each key and its address."""

_log = logging.getLogger("augury.tiers")

_NAMESPACE = re.compile(r"[!-~]{1,200}")
_NAME_BYTES = 22
_DELETE_REPLIES = (b"DELETED", b"NOT_FOUND")
_CAS_REPLIES = (b"STORED", b"EXISTS", b"NOT_FOUND")
_NOTHING = Lease(until=0.0, token=bytes(16))
_FOREVER = float("inf")
_LONGEST_RELATIVE = 30 * 24 * 60 * 60
_MOST_ROUNDS = 10


class Memcached(Tier):
    """Entries in one or several Memcached servers, shared by all processes that name them alike.

    Each key has one server, found by rendezvous hashing, and never goes to another: while its
    server is down, whatever concerns the key raises `TierError`. Clients that let others stand in
    for a server that fails serve, once it is back, what it held before, though it has been deleted
    since.

    An operation costs one round trip to each server concerned, one after the other, for each 1,000
    keys or 4 MiB; `fill_many`, `replace_many` and `release_many` cost two. So does `lease_many` for
    a writer, or where something is in the way; more if that is only an expired entry, or if others
    write the same keys meanwhile. One more goes to what turns out to be too large.

    What is larger than `item_size`, or a server takes for too large, is forgotten at once; this is
    logged once.

    Parameters
    ----------
    servers
        ``"host:port"``, ``"[::1]:port"`` or the path of a Unix socket; one, or several in any
        order. A host is tried by the first address that its name stands for.
    namespace
        What the keys begin with on the servers: 1 to 200 visible ASCII characters. Tiers with
        unequal namespaces share servers without seeing one another.
    serializer
        How values become bytes; by default an `augury.codecs.Serializer` of its own.
    timeout
        Seconds that one round trip may take; connecting has as much again. Finding a host's
        address is not counted.
    item_size
        Bytes that the servers take for one entry, memcached's ``-I``: by default 1 MiB. What is
        larger is not even sent.
    name
        What reports call it.

    Raises
    ------
    ConfigurationError
        If no server is given, one is given twice, or a parameter is not as above.
    MissingExtraError
        If pymemcache is not installed.

    Examples
    --------
    >>> tier = Memcached(["127.0.0.1:11211", "127.0.0.1:11212"], namespace="shop")
    >>> tier
    Memcached(['127.0.0.1:11211', '127.0.0.1:11212'], namespace='shop')
    >>> tier.close()
    """

    shared: ClassVar[bool] = True

    def __init__(
        self,
        servers: str | Sequence[str],
        *,
        namespace: str = "augury",
        serializer: Serializer | None = None,
        timeout: float = 0.25,
        item_size: int = 2**20,
        name: str = "memcached",
    ) -> None:
        check_instance("name", name, str)
        if serializer is not None:
            check_instance("serializer", serializer, Serializer)
        check_instance("namespace", namespace, str)
        check_number("timeout", timeout)
        check_integer("item_size", item_size)
        if not _NAMESPACE.fullmatch(namespace):
            raise ConfigurationError(
                f"namespace must be 1 to 200 visible ASCII characters, not {namespace!r}"
            )
        if item_size > LARGEST_ITEM:
            raise ConfigurationError(f"item_size must be 1 to {LARGEST_ITEM}, not {item_size!r}")
        if not isinstance(servers, str | Sequence):
            raise ConfigurationError(f"servers must be a list of host:port, not {servers!r}")
        opened = [
            Server(it, timeout) for it in ([servers] if isinstance(servers, str) else servers)
        ]
        self._servers = {server.name: server for server in opened}
        if len(self._servers) != len(opened) or not opened:
            raise ConfigurationError("name at least one Memcached server, and each only once")
        try:
            from pymemcache.client.rendezvous import RendezvousHash
        except ImportError:
            raise MissingExtraError("pymemcache", "memcached") from None
        # Its own hash function is written in Python, and takes longer than the round trip.
        self._server_of = RendezvousHash(list(self._servers), 0, _hash).get_node
        self.name = name
        self._namespace = namespace
        self._prefix = namespace.encode() + b":"
        self._serializer = serializer or Serializer()
        self._item_size = item_size
        self._told_too_large = False
        self._closed = False

    def __repr__(self) -> str:
        return f"Memcached({list(self._servers)}, namespace={self._namespace!r})"

    def get_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Return what is held under these keys."""
        held: dict[Key, Held] = {}
        for server, places in self._by_server(keys):
            with server.link() as link:
                found = link.fetch(list(places))
            for name, (data, _) in found.items():
                key, address = places[name]
                if (live := self._live(address, data)) is not None:
                    held[key] = live
        return held

    def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Store entries, in place of whatever is there."""
        by_server = self._by_server(entries)
        frames = self._pack(by_server, entries)
        now = time.time()
        for server, places in by_server:
            sets = {
                name: _store(b"set", name, _exptime(entries[key].expires, now), frames[name])
                for name, (key, _) in places.items()
                if self._fits(frames[name])
            }
            with server.link() as link:
                replies = link.send(list(sets.values()), b"STORED")
                done = dict(zip(sets, replies, strict=True))
                if too_large := [name for name in places if done.get(name) != b"STORED"]:
                    # A server may still have the value that should have been replaced.
                    self._tell_too_large()
                    link.send(_deletions(too_large), *_DELETE_REPLIES)

    def delete_many(self, keys: Collection[Key]) -> None:
        """Remove whatever is held under these keys.

        A server that fails does not keep the others from being told.
        """
        failures = []
        for server, places in self._by_server(keys):
            try:
                with server.link() as link:
                    link.send(_deletions(places), *_DELETE_REPLIES)
            except TierError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def lease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Place a lease on keys; return what stands in its way."""
        in_the_way: dict[Key, Held] = {}
        for server, places in self._by_server(keys):
            with server.link() as link:
                in_the_way |= self._lease(link, places, lease)
        return in_the_way

    def _lease(self, link: Link, places: Places, lease: Lease) -> dict[Key, Held]:
        data = frame.pack(b"", lease, self._serializer)
        exptime = _exptime(lease.until, time.time())
        in_the_way: dict[Key, Held] = {}
        # Loaders come after a miss: most often nothing is there, and adding it is enough.
        found = link.fetch(list(places)) if lease.writes else {}
        for _ in range(_MOST_ROUNDS):
            for name, (there, _cas) in found.items():
                key, address = places[name]
                held = self._live(address, there)
                if held is not None and not (lease.writes and not _is_writers(held)):
                    in_the_way[key] = held
                    del places[name]
            replies = link.send(
                [
                    _store(b"cas", name, exptime, data, found[name][1])
                    if name in found
                    else _store(b"add", name, exptime, data)
                    for name in places
                ],
                *(b"STORED", b"NOT_STORED", b"EXISTS", b"NOT_FOUND"),
            )
            lost = [n for n, reply in zip(places, replies, strict=True) if reply != b"STORED"]
            if not lost:
                return in_the_way
            places = {name: places[name] for name in lost}
            found = link.fetch(lost)
        raise TierError(f"tier {self.name!r}: others write the same keys too fast to lease them")

    def fill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries, each only if its key still has this lease; return the keys stored."""
        return self._swap(entries, lambda _, held: _is(held, lease))

    def replace_many(self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]) -> set[Key]:
        """Store entries, each only if its key still holds the entry of this version."""
        return self._swap(
            entries, lambda key, held: isinstance(held, Entry) and held.version == versions[key]
        )

    def release_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Remove the lease from keys that still have it."""
        for server, places in self._by_server(keys):
            with server.link() as link:
                self._forget(link, self._which(link, places, lambda _, held: _is(held, lease)))

    def _swap(
        self, entries: Mapping[Key, Entry], expected: Callable[[Key, Held], bool]
    ) -> set[Key]:
        """Store entries where what is held is as expected; return the keys stored."""
        by_server = self._by_server(entries)
        frames = self._pack(by_server, entries)
        stored: list[Key] = []
        for server, places in by_server:
            with server.link() as link:
                numbers = self._which(link, places, expected)
                now = time.time()
                swaps = {
                    name: _store(
                        b"cas", name, _exptime(entries[places[name][0]].expires, now), data, cas
                    )
                    for name, cas in numbers.items()
                    if self._fits(data := frames[name])
                }
                replies = link.send(list(swaps.values()), *_CAS_REPLIES)
                done = dict(zip(swaps, replies, strict=True))
                if too_large := [n for n in numbers if done.get(n, TOO_LARGE) == TOO_LARGE]:
                    self._tell_too_large()
                    done |= self._forget(link, {name: numbers[name] for name in too_large})
            stored += [places[name][0] for name, reply in done.items() if reply == b"STORED"]
        return set(stored)

    def _which(
        self, link: Link, places: Places, expected: Callable[[Key, Held], bool]
    ) -> dict[bytes, bytes]:
        """Return the names under which is what is expected, with its number."""
        numbers = {}
        for name, (data, cas) in link.fetch(list(places)).items():
            key, address = places[name]
            if (held := self._live(address, data)) is not None and expected(key, held):
                numbers[name] = cas
        return numbers

    def _forget(self, link: Link, numbers: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Remove what still has these numbers; return the reply for each.

        No deletion compares, so they get what counts as nothing, and has expired, instead.
        """
        data = frame.pack(b"", _NOTHING, self._serializer)
        commands = [_store(b"cas", name, -1, data, cas) for name, cas in numbers.items()]
        return dict(zip(numbers, link.send(commands, *_CAS_REPLIES), strict=True))

    def clear(self) -> None:
        """Remove everything in the namespace, by a walk over all keys of all servers.

        Needs Memcached 1.6 or newer with its LRU crawler, which is on by default.
        """
        self._check_open()
        for server in self._servers.values():
            with server.link() as link:
                names = link.names(self._prefix, len(self._prefix) + _NAME_BYTES)
                link.send(_deletions(names), *_DELETE_REPLIES)

    def health(self) -> Health:
        """Ask every server. One that is down makes the tier so."""
        start = time.perf_counter()
        try:
            self._check_open()
            for server in self._servers.values():
                with server.link() as link:
                    link.version()
        except TierError as error:
            return Health(up=False, reason=str(error), seconds=time.perf_counter() - start)
        return Health(up=True, seconds=time.perf_counter() - start)

    def close(self) -> None:
        """Close the connections. What is on the servers stays."""
        self._closed = True
        for server in self._servers.values():
            server.close()

    def _check_open(self) -> None:
        if self._closed:
            raise TierError(f"tier {self.name!r} is closed")

    def _by_server(self, keys: Collection[Key]) -> list[tuple[Server, Places]]:
        self._check_open()
        found: dict[str, Places] = {}
        for key in keys:
            address = frame.address(key)
            tail = urlsafe_b64encode(address[:16]).rstrip(b"=")
            server = self._server_of(tail.decode())
            found.setdefault(server, {})[self._prefix + tail] = (key, address)
        return [(self._servers[server], places) for server, places in found.items()]

    def _pack(
        self, by_server: list[tuple[Server, Places]], entries: Mapping[Key, Entry]
    ) -> dict[bytes, bytes]:
        return {
            name: frame.pack(address, entries[key], self._serializer)
            for _, places in by_server
            for name, (key, address) in places.items()
        }

    def _fits(self, data: bytes) -> bool:
        return len(data) <= self._item_size

    def _live(self, address: bytes, data: bytes) -> Held | None:
        return frame.unpack_live(address, data, self._serializer, self.on_corrupt)

    def _tell_too_large(self) -> None:
        if not self._told_too_large:
            self._told_too_large = True
            _log.warning(
                "tier %r: a value is larger than its server takes, so it is not kept; this is "
                "said only once (memcached -I makes more room)",
                self.name,
            )


def _hash(text: str, seed: int) -> int:
    return xxh3_64_intdigest(text.encode(), seed)


def _is(held: Held, lease: Lease) -> bool:
    return isinstance(held, Lease) and held.token == lease.token


def _is_writers(held: Held) -> bool:
    return isinstance(held, Lease) and held.writes


def _exptime(until: float, now: float) -> int:
    """Return when a server may drop what nobody reads any more after this moment.

    Servers count whole seconds, by a clock of their own, and take more than 30 days for a date.
    """
    if until == _FOREVER:
        return 0
    if until <= now:
        return -1
    if (left := math.ceil(until - now) + 1) <= _LONGEST_RELATIVE:
        return left
    return date if (date := math.ceil(until) + 1) < 2**31 else 0


def _store(command: bytes, name: bytes, exptime: int, data: bytes, cas: bytes = b"") -> bytes:
    number = b" " + cas if cas else b""
    return b"%s %s 0 %d %d%s\r\n%s\r\n" % (command, name, exptime, len(data), number, data)


def _deletions(names: Iterable[bytes]) -> list[bytes]:
    return [b"delete %s\r\n" % name for name in names]
