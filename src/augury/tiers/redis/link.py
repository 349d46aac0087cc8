"""One connection of a tracking: what a primary says of writes, and what proves that it was all."""

from __future__ import annotations

import ssl
import time
from collections import deque
from typing import Any

from augury.tiers.redis.address import Address, Node
from augury.tiers.redis.connections import connect, tier_error
from augury.tiers.redis.resp3 import Failure, Parser, ProtocolError
from augury.tiers.redis.routes import Words, shards_of

_RECEIVE_BYTES = 2**16
_MOST_RECEIVED = 16
_TOLD = ("state", "slots_assigned", "known_nodes", "size", "current_epoch", "my_epoch")


class Link:
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


def _told(reply: Any) -> tuple[str, ...]:
    """Return what ``CLUSTER INFO`` says that changes whenever who has what does."""
    if not isinstance(reply, bytes):
        raise ProtocolError("a server does not tell how its cluster is")
    text = reply.decode(errors="replace").removeprefix("txt:")  # as a string with a format begins
    lines = dict(line.split(":", 1) for line in text.split() if ":" in line)
    return tuple(lines.get(f"cluster_{name}", "") for name in _TOLD)
