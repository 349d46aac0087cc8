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
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Collection
from typing import Any

from augury.errors import TierError
from augury.forks import renew_in_child
from augury.tiers.contract import Tracking
from augury.tiers.redis.address import Address, Node
from augury.tiers.redis.connections import Connections, connect, tier_error
from augury.tiers.redis.operations import NAME_BYTES
from augury.tiers.redis.resp3 import Failure, Parser, ProtocolError, Push
from augury.tiers.redis.routes import Words, route_of, shards_of

_log = logging.getLogger("augury.tiers")

_LOOK_EVERY = 0.0002
"""Seconds between two looks at the sockets, each of which costs more than a read of a copy."""
_MOST_NAMES = 100_000
_RECEIVE_BYTES = 2**16
_MOST_RECEIVED = 16
_SHORTEST_REST = 0.02
_LONGEST_REST = 1.0
"""Seconds between two attempts to hear from all servers."""
_NOTHING: tuple[bytes, ...] = ()
_TOLD = ("state", "slots_assigned", "known_nodes", "size", "current_epoch", "my_epoch")


class _Link:
    """A connection on which one primary tells of writes."""

    def __init__(self, address: Address, node: Node, prefix: bytes, timeout: float) -> None:
        from redis.exceptions import RedisError

        self.node = node
        self.proven = float("-inf")
        """When the last question was sent that has been answered."""
        self.more = False
        """Whether something may have been left in the socket."""
        self._cluster = address.cluster
        self._secure = address.transport == "SSLConnection"
        self._parser = Parser()
        self._asked: deque[tuple[Words, float]] = deque()
        self._first: object = None
        try:
            self._connection = connect(address, node, timeout, protocol=3)
        except (RedisError, OSError) as error:
            raise tier_error(node, error) from error
        # redis-py has made the connection, with whatever TLS and credentials that takes, and has
        # read all that the server has sent so far. From here on the socket is read here only.
        self._socket = self._connection._sock
        self._socket.setblocking(False)
        self.fileno: int = self._socket.fileno()
        self._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix)

    def _ask(self, *words: bytes | str | int) -> None:
        packed = b"".join(self._connection.pack_command(*words))
        self._asked.append((words, time.monotonic()))
        if self._socket.send(packed) != len(packed):
            raise OSError("a server takes nothing any more")

    def begin(self) -> None:
        """Ask how the cluster is; whatever it was before proves nothing any more."""
        self.proven = float("-inf")
        self._first = None
        self.beat()
        if self._cluster:
            self._ask("CLUSTER", "SHARDS")

    def beat(self) -> None:
        """Ask whether it is still there, and as it was."""
        if self._cluster:
            self._ask("CLUSTER", "INFO")
        else:
            self._ask("PING")

    @property
    def waiting_since(self) -> float | None:
        """When the oldest question was sent that has not been answered."""
        return self._asked[0][1] if self._asked else None

    def receive(self) -> list[Any]:
        """Return the messages that have arrived, without waiting."""
        messages = []
        self.more = True
        for _ in range(_MOST_RECEIVED):
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                self.more = False
                break
            if not data:
                raise OSError("the server has closed the connection")
            messages += self._parser.feed(data)
            if len(data) < _RECEIVE_BYTES and not self._secure:
                self.more = False
                break
        return messages

    def answered(self, reply: Any, shards: object) -> bool:
        """Take the answer to the oldest question; return whether all is as it was."""
        if not self._asked:
            raise OSError("the server answers what nobody has asked")
        words, sent = self._asked.popleft()
        if isinstance(reply, Failure):
            raise OSError(reply.text)
        if words[:2] == ("CLUSTER", "SHARDS"):
            # The first word about the cluster came before it, so that nothing is between the two.
            if shards_of(self.node, reply, self._secure) != shards:
                return False
            self.proven = sent
        elif words[0] != "CLIENT":
            told = _told(reply) if self._cluster else reply
            if self._first is None:
                self._first = told
            elif told != self._first:
                return False
            if not self._cluster or self.proven > float("-inf"):
                self.proven = sent
        return True

    def close(self) -> None:
        """Close it. In a forked process the original's stays open."""
        self._connection.disconnect()


class RedisTracking(Tracking):
    """Hears of writes to one namespace; `Redis.track` makes one.

    Reading happens in the thread that polls, so that nobody waits until another thread is let in.
    A thread of its own asks for proofs, reads when nobody polls, and connects again.

    Parameters
    ----------
    address
        Where the servers are.
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
        self, address: Address, *, prefix: bytes, timeout: float, heartbeat: float, name: str
    ) -> None:
        self._address = address
        self._prefix = prefix
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._name = name
        self._connections = Connections(address, timeout)
        self._route = route_of(address)
        self._closed = False
        renew_in_child(self)
        self.begin_anew()
        self._start()

    def begin_anew(self) -> None:
        """Begin anew: what the process had that was copied stays that one's."""
        self._lock = threading.RLock()
        self._links: dict[Node, _Link] = {}
        self._poller = select.poll()
        self._names: set[bytes] = set()
        self._missed = True
        self._complete = False
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

    def _hear(self, link: _Link, message: Any) -> None:
        if isinstance(message, Push):
            if message.items[:1] == [b"invalidate"]:
                self._invalidate(message.items[1:])
        elif link.answered(message, self._route.state):
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

    def _lose(self, link: _Link, why: Exception) -> None:
        self._drop(link)
        self._listen_anew(f"{link.node}: {' '.join(str(why).split())}")

    def _drop(self, link: _Link) -> None:
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

    def _tend_link(self, link: _Link, now: float) -> None:
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
        began, before = time.monotonic(), self._route.state
        try:
            self._connections.run(self._route.learn())
        except TierError as error:
            _log.debug("tier %r: %s", self._name, error)
            return
        with self._lock:
            self._checked = began
            if self._route.state != before:
                self._listen_anew("another server is the primary now")
            else:
                self._proven = self._proof()

    def _connect(self) -> None:
        """Connect to every primary; those that are connected already stay so."""
        began = time.monotonic()
        try:
            self._connections.run(self._route.learn())
            primaries = self._route.primaries
            for node in primaries:
                if node not in self._links:
                    self._add(_Link(self._address, node, self._prefix, self._timeout))
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
            self._checked = began
            self._complete = self._links.keys() == set(primaries) and not self._closed
            self._missed = True

    def _add(self, link: _Link) -> None:
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


def _told(reply: Any) -> tuple[str, ...]:
    """Return what ``CLUSTER INFO`` says that changes whenever who has what does."""
    if not isinstance(reply, bytes):
        raise ProtocolError("a server does not tell how its cluster is")
    text = reply.decode(errors="replace").removeprefix("txt:")  # as a string with a format begins
    lines = dict(line.split(":", 1) for line in text.split() if ":" in line)
    return tuple(lines.get(f"cluster_{name}", "") for name in _TOLD)
