"""Hears of every write to a namespace from the servers themselves, by tracking of clients.

Each primary has one connection, on which the server says in broadcasting mode which keys with the
prefix have been written, deleted, evicted or have expired. It remembers nothing of what is read.

Whoever copies values must know when he has heard everything. A server sends in order, so an answer
to a question proves that whatever was written before *the question was sent* has been heard,
however long both lay in some buffer. `RedisTracking` is trusted while such a proof of every primary
is younger than the heartbeat: this bounds how stale a copy can be, whatever happens to the network,
the servers, or this process.

References
----------
https://redis.io/docs/latest/develop/reference/client-side-caching/
"""

from __future__ import annotations

import logging
import select
import threading
import time
import weakref
from collections.abc import Collection
from typing import Any

from augury.errors import TierError
from augury.forks import renew_in_child
from augury.tiers.contract import Tracking
from augury.tiers.redis.address import Address, Node
from augury.tiers.redis.connections import Connections
from augury.tiers.redis.link import Link
from augury.tiers.redis.operations import NAME_BYTES
from augury.tiers.redis.resp3 import ProtocolError, Push
from augury.tiers.redis.routes import Route

_log = logging.getLogger("augury.tiers")

_LOOK_EVERY = 0.0002
"""Seconds between two looks at the sockets, each of which costs more than a read of a copy."""
_MOST_NAMES = 100_000
_SHORTEST_REST = 0.02
_LONGEST_REST = 1.0
"""Seconds between two attempts to hear from all servers."""
_NOTHING: tuple[bytes, ...] = ()


class RedisTracking(Tracking):
    """Hears of writes to one namespace; `Redis.track` makes one.

    Reading happens in the thread that polls, so that nobody waits until another thread is let in.
    A thread of its own asks for proofs, reads when nobody polls, and connects again.

    Parameters
    ----------
    address
        Where the servers are.
    route
        The tier's own: were it another, the tier could still read from a primary that was replaced
        while this one hears of writes from its heir.
    prefix
        What the keys of the namespace begin with.
    timeout
        Seconds for connecting, and for the answer to a question.
    heartbeat
        Seconds that a proof is good for. Questions are sent four times as often.
    name
        What reports call the tier.
    """

    def __init__(
        self,
        address: Address,
        route: Route,
        *,
        prefix: bytes,
        timeout: float,
        heartbeat: float,
        name: str,
    ) -> None:
        self._address = address
        self._prefix = prefix
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._name = name
        self._connections = Connections(address, timeout)
        self._route = route
        self._closed = False
        renew_in_child(self)
        self.begin_anew()
        self._start()

    def begin_anew(self) -> None:
        """Begin anew: what the process had that was copied stays that one's."""
        self._lock = threading.RLock()
        self._links: dict[Node, Link] = {}
        self._poller = select.poll()
        self._names: set[bytes] = set()
        self._missed = True
        self._complete = False
        self._state: object = None  # what was known about who has what when it connected
        self._proven = float("-inf")
        self._checked = float("-inf")
        self._look_at = 0.0
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._keeper: threading.Thread | None = None
        self._silent = False

    @property
    def trusted(self) -> bool:
        """Whether all writes until one heartbeat ago, at least, have been heard."""
        return not self._missed and time.monotonic() - self._proven <= self._heartbeat

    def poll(self) -> Collection[bytes] | None:
        """Return the names of keys written or deleted since the last call, without waiting.

        None: something may have been missed. It is not trusted before that has been returned.
        """
        now = time.monotonic()
        if now < self._look_at:
            return _NOTHING
        with self._lock:
            self._look_at = now + _LOOK_EVERY
            if self._keeper is None and not self._closed:
                self._start()
            self._drain()
            if self._missed:
                self._missed = False
                self._names.clear()
                return None
            if not self._names:
                return _NOTHING
            names, self._names = self._names, set()
            return names

    def close(self) -> None:
        """Close the connections and end the thread."""
        with self._lock:
            self._closed = True
            self._complete = False
            self._proven = float("-inf")
            for link in list(self._links.values()):
                self._drop(link)
        self._closing.set()
        self._wake.set()
        keeper = self._keeper
        if keeper is not None and keeper is not threading.current_thread():
            keeper.join()
        with self._lock:  # the thread may have made some meanwhile
            for link in list(self._links.values()):
                self._drop(link)
        self._connections.close()

    def __del__(self) -> None:
        if hasattr(self, "_closing"):
            self._closing.set()
            self._wake.set()

    # All of these are called with the lock.

    def _drain(self) -> None:
        """Read what has arrived."""
        # Each call of the system may cost a turn of the interpreter's lock: one server is read from
        # without asking first whether there is something to read.
        if len(self._links) == 1:
            ready = list(self._links.values())
        else:
            files = {file for file, _ in self._poller.poll(0)}
            ready = [it for it in self._links.values() if it.more or it.fileno in files]
        for link in ready:
            try:
                for message in link.receive():
                    self._hear(link, message)
            except (OSError, ProtocolError) as error:
                self._lose(link, error)

    def _hear(self, link: Link, message: Any) -> None:
        if isinstance(message, Push):
            if message.items[:1] == [b"invalidate"]:
                self._invalidate(message.items[1:])
        elif link.answered(message, self._state):
            self._proven = self._proof()
        else:
            self._listen_anew(f"{link.node}: the cluster has changed")

    def _invalidate(self, said: list[Any]) -> None:
        if said == [None]:  # the server has been flushed
            self._missed = True
            return
        if len(said) != 1 or not isinstance(said[0], list):
            raise ProtocolError("an invalidation names no keys")
        length = len(self._prefix) + NAME_BYTES
        for key in said[0]:
            if not isinstance(key, bytes):
                raise ProtocolError("an invalidation names what is no key")
            if len(key) == length and key.startswith(self._prefix):
                self._names.add(key[-NAME_BYTES:])
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
            self._missed = True

    def _proof(self) -> float:
        """Return up to when everything has been heard."""
        if not self._complete:
            return float("-inf")
        oldest = min(link.proven for link in self._links.values())
        return min(oldest, self._checked) if self._address.service else oldest

    def _lose(self, link: Link, why: Exception) -> None:
        self._drop(link)
        self._listen_anew(f"{link.node}: {' '.join(str(why).split())}")

    def _drop(self, link: Link) -> None:
        if self._links.pop(link.node, None) is None:
            return
        self._poller.unregister(link.fileno)
        link.close()

    def _listen_anew(self, why: str) -> None:
        if not self._silent:
            _log.warning("tier %r does not hear of writes: %s", self._name, why)
        self._silent = True
        self._missed = True
        self._complete = False
        self._proven = float("-inf")
        self._wake.set()

    def _start(self) -> None:
        self._keeper = threading.Thread(
            target=_keep,
            args=(weakref.ref(self), self._wake, self._closing, self._heartbeat / 4),
            name=f"augury tracking {self._name}",
            daemon=True,
        )
        self._keeper.start()

    # What the thread does; without the lock wherever it waits.

    def _tend(self) -> bool:
        """Do what is due, and return whether everything is heard."""
        with self._lock:
            self._drain()
            now = time.monotonic()
            for link in list(self._links.values()):
                self._tend_link(link, now)
            if self._complete and self._route.state != self._state:
                self._listen_anew("the tier has learned that the servers have changed")
            complete = self._complete and not self._closed
        if complete and self._address.service:
            self._check_primary()
        elif not complete and not self._closed:
            self._connect()
        with self._lock:
            heard = self._proven > float("-inf")
            if heard and self._silent:
                _log.warning("tier %r hears of writes again", self._name)
                self._silent = False
            return heard

    def _tend_link(self, link: Link, now: float) -> None:
        since = link.waiting_since
        try:
            if since is None:
                link.beat()
            elif now - since > self._timeout and not link.more:
                raise TimeoutError("no answer in time")
        except OSError as error:
            self._lose(link, error)

    def _check_primary(self) -> None:
        """Ask a sentinel whether the primary is still the one."""
        began = time.monotonic()
        try:
            self._connections.run(self._route.learn())
        except TierError as error:
            _log.debug("tier %r: %s", self._name, error)
            return
        with self._lock:
            self._checked = began
            if self._route.state != self._state:
                self._listen_anew("another server is the primary now")
            else:
                self._proven = self._proof()

    def _connect(self) -> None:
        """Connect to every primary; those that are connected already stay so."""
        began = time.monotonic()
        try:
            self._connections.run(self._route.learn())
            state = self._route.state
            primaries = self._route.primaries
            for node in primaries:
                if node not in self._links:
                    self._add(Link(self._address, node, self._prefix, self._timeout))
        except (TierError, OSError) as error:
            with self._lock:
                self._listen_anew(str(error))
            return
        with self._lock:
            for link in list(self._links.values()):
                if link.node not in primaries or self._closed:
                    self._drop(link)
                    continue
                try:
                    link.begin()
                except OSError as error:
                    self._lose(link, error)
            self._checked, self._state = began, state
            self._complete = self._links.keys() == set(primaries) and not self._closed
            self._missed = True

    def _add(self, link: Link) -> None:
        with self._lock:
            self._links[link.node] = link
            self._poller.register(link.fileno, select.POLLIN)


def _keep(
    tracking: weakref.ref[RedisTracking],
    wake: threading.Event,
    closing: threading.Event,
    pause: float,
) -> None:
    """Tend a tracking until it is closed, or nobody has it any more."""
    rest = _SHORTEST_REST
    while not closing.is_set() and (tended := tracking()) is not None:
        try:
            heard = tended._tend()
        except Exception:  # without this thread nothing would ever be heard again
            _log.exception("tier %r does not hear of writes", tended._name)
            heard = False
        del tended
        if heard:
            rest = _SHORTEST_REST
            wake.wait(pause)
        else:
            closing.wait(rest)
            rest = min(rest * 2, _LONGEST_REST)
        wake.clear()
