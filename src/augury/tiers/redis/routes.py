"""Which server has a key: one, whom sentinels name, or the primaries of a cluster.

What is said to servers is written once for threads and for coroutines: a `Plan` yields commands
for each server, and is sent their replies. connections.py carries plans out.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

from augury.errors import TierError
from augury.tiers.redis.address import Address, Node
from augury.tiers.redis.scripts import SCRIPTS

T = TypeVar("T")

Words = tuple[bytes | str | int, ...]
"""A command as it is sent."""
Batches = dict[Node, list[Words]]
Replies = dict[Node, list[Any]]
Plan = Generator[Batches, Replies, T]
"""Yields what to send to which servers in one round trip, is sent their replies in the same order
(errors among them), and returns a result. If a server does not answer, `TierError` is thrown in."""

_MOST_REDIRECTIONS = 5
_SLOTS = 16_384
_DOUBT_FOR = 0.5
"""Seconds between two questions about who has what, while some server does not answer."""
_CODES = {
    "MovedError": "MOVED",
    "AskError": "ASK",
    "NoScriptError": "NOSCRIPT",
    "ReadOnlyError": "READONLY",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
}
_PATIENCE = 0.1
"""Seconds of asking after which nobody else is asked: whoever hangs has taken all the time."""


class Command(NamedTuple):
    """A command, and the key that says where it goes."""

    key: bytes
    words: Words


class Route(ABC):
    """Knows who has a key; threads share it, since what it knows is replaced as a whole."""

    def __init__(self, address: Address) -> None:
        self._seeds = list(address.seeds)
        self._asked = float("-inf")
        self._doubted = True

    @property
    @abstractmethod
    def primaries(self) -> tuple[Node, ...]:
        """The servers that take writes, as far as is known."""

    @property
    @abstractmethod
    def state(self) -> object:
        """What is known about who has what; unequal to before once that has changed."""

    @abstractmethod
    def node(self, key: bytes) -> Node:
        """Return the server that has a key."""

    @abstractmethod
    def _question(self) -> Words:
        """Return what to ask a server that knows."""

    @abstractmethod
    def _understand(self, asked: Node, reply: Any) -> None:
        """Take what it has answered; raise `TierError` if that is of no use."""

    def moved(self, key: bytes, node: Node) -> None:  # noqa: B027 (most have nothing to note)
        """Take note that another server has a key."""

    def doubt(self) -> None:
        """Ask again who has what before the next operation, if that was not done just now."""
        self._doubted = True

    def learn(self) -> Plan[None]:
        """Ask who has what, until somebody knows. One who hangs ends it; others are tried next."""
        self._asked = time.monotonic()
        failed: Exception = TierError("no server is known")
        known = [node for node in self.primaries if not node.sentinel and node not in self._seeds]
        for node in [*self._seeds, *known][: len(self._seeds) + 3]:
            try:
                (reply,) = (yield {node: [self._question()]})[node]
                self._understand(node, reply)
            except TierError as error:
                failed = error
                if node in self._seeds:
                    self._seeds = [seed for seed in self._seeds if seed != node] + [node]
                if time.monotonic() - self._asked > _PATIENCE:
                    break
            else:
                self._doubted = False
                return
        raise failed

    def deliver(self, commands: Sequence[Command]) -> Plan[list[Any]]:
        """Send commands to whoever has their keys, in one round trip, and return their replies.

        Redirections are followed, and scripts that a server does not know are sent to it: each
        costs a round trip more.
        """
        long_ago = time.monotonic() - self._asked >= _DOUBT_FOR
        if self._doubted and (long_ago or not self.primaries):
            yield from self.learn()
        replies: list[Any] = [None] * len(commands)
        waiting = [(at, self.node(it.key), it, False) for at, it in enumerate(commands)]
        for _ in range(_MOST_REDIRECTIONS + 1):
            batches: Batches = {}
            for _, node, command, asking in waiting:
                batch = batches.setdefault(node, [])
                if asking:
                    batch.append(("ASKING",))
                batch.append(command.words)
            try:
                answers = yield batches
            except TierError:
                self.doubt()
                raise
            streams = {node: iter(answer) for node, answer in answers.items()}
            again = []
            for at, node, command, asking in waiting:
                if asking:
                    next(streams[node])
                reply = next(streams[node])
                if isinstance(reply, Exception):
                    other = self._elsewhere(node, command, asking, reply)
                    if other is not None:
                        again.append((at, *other))
                        continue
                replies[at] = reply
            if not again:
                return replies
            waiting = again
        raise TierError("servers send one another's keys round in a circle")

    def _elsewhere(
        self, node: Node, command: Command, asking: bool, error: Exception
    ) -> tuple[Node, Command, bool] | None:
        """Return where else, how, and whether by ``ASKING``, a command that failed may succeed."""
        code = code_of(error)
        if code in {"MOVED", "ASK"}:
            host, _, port = str(error).rpartition(" ")[2].rpartition(":")
            other = Node(host or node.host, int(port))
            if code == "MOVED":
                self.moved(command.key, other)
            return other, command, code == "ASK"
        if code == "NOSCRIPT":
            _, digest, *arguments = command.words
            source = SCRIPTS[str(digest)]
            return node, Command(command.key, ("EVAL", source, *arguments)), asking
        if code in {"READONLY", "CLUSTERDOWN", "MASTERDOWN"}:
            self.doubt()
        return None


class Alone(Route):
    """One server, which has everything."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._doubted = False

    @property
    def primaries(self) -> tuple[Node, ...]:
        """It."""
        return (self._seeds[0],)

    @property
    def state(self) -> object:
        """Which one it is."""
        return self._seeds[0]

    def node(self, key: bytes) -> Node:  # noqa: ARG002
        """Return it."""
        return self._seeds[0]

    def doubt(self) -> None:
        """Do nothing: there is no other."""

    def learn(self) -> Plan[None]:
        """Do nothing: there is nobody to ask."""
        yield from ()

    def _question(self) -> Words:
        return ("PING",)

    def _understand(self, asked: Node, reply: Any) -> None:
        pass


class Watched(Route):
    """One server, whose sentinels know which one it is now."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._service = address.service
        self._primary: Node | None = None

    @property
    def primaries(self) -> tuple[Node, ...]:
        """The primary, once it is known."""
        return () if self._primary is None else (self._primary,)

    @property
    def state(self) -> object:
        """The primary."""
        return self._primary

    def node(self, key: bytes) -> Node:  # noqa: ARG002
        """Return the primary."""
        if self._primary is None:
            raise TierError("no sentinel has told yet which server is the primary")
        return self._primary

    def _question(self) -> Words:
        return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)

    def _understand(self, asked: Node, reply: Any) -> None:  # noqa: ARG002
        if not isinstance(reply, list) or len(reply) != 2:
            told = f": {reply}" if isinstance(reply, Exception) else ""
            raise TierError(f"a sentinel knows no service {self._service!r}{told}")
        self._primary = Node(_text(reply[0]), int(reply[1]))


class Clustered(Route):
    """Primaries that have the slots of a cluster between them."""

    def __init__(self, address: Address) -> None:
        from redis.crc import key_slot

        super().__init__(address)
        self._slot_of = key_slot
        self._secure = address.transport == "SSLConnection"
        self._owners: list[Node | None] = [None] * _SLOTS
        self._shards: dict[Node, list[tuple[int, int]]] = {}

    @property
    def primaries(self) -> tuple[Node, ...]:
        """Those that are up or have slots."""
        return tuple(self._shards)

    @property
    def state(self) -> object:
        """The primaries, each with its slots."""
        return self._shards

    def node(self, key: bytes) -> Node:
        """Return the owner of the key's slot; if it has none, whoever will say so."""
        return self._owners[self._slot_of(key)] or random.choice(self.primaries or self._seeds)

    def moved(self, key: bytes, node: Node) -> None:
        """Take the slot to be there, and ask about the others."""
        self._owners[self._slot_of(key)] = node
        self._asked = float("-inf")
        self.doubt()

    def _question(self) -> Words:
        return ("CLUSTER", "SHARDS")

    def _understand(self, asked: Node, reply: Any) -> None:
        shards = shards_of(asked, reply, self._secure)
        owners: list[Node | None] = [None] * _SLOTS
        for node, ranges in shards.items():
            for first, last in ranges:
                owners[first : last + 1] = [node] * (last + 1 - first)
        self._shards, self._owners = shards, owners


def shards_of(asked: Node, reply: Any, secure: bool) -> dict[Node, list[tuple[int, int]]]:
    """Return the primaries of a cluster and their slots, from a reply to ``CLUSTER SHARDS``.

    Primaries without slots are among them if they are up: keys may be on their way to them.
    """
    if not isinstance(reply, list):
        raise TierError(f"a server does not tell its cluster: {reply}")
    try:
        found = _primaries(asked, reply, secure)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise TierError("a server tells its cluster in words that are not understood") from None
    if not found:
        raise TierError("a cluster has no primary that is up")
    return dict(sorted(found.items()))


def _primaries(asked: Node, reply: list[Any], secure: bool) -> dict[Node, list[tuple[int, int]]]:
    found = {}
    for shard in map(_fields, reply):
        nodes = [it for it in map(_fields, shard["nodes"]) if _text(it["role"]) == "master"]
        up = [it for it in nodes if _text(it["health"]) == "online"]
        slots = [int(slot) for slot in shard["slots"]]
        if not up and not (nodes and slots):
            continue
        primary = (up or nodes)[0]
        told = _text(primary["endpoint"] or b"?")
        host = asked.host if told in {"", "?"} else told
        port = (primary.get("tls-port") if secure else None) or primary["port"]
        found[Node(host, int(port))] = list(zip(slots[::2], slots[1::2], strict=True))
    return found


def code_of(error: Exception) -> str:
    """Return the word that a server's error begins with; for some, redis-py has a class instead."""
    return _CODES.get(type(error).__name__) or str(error).partition(" ")[0]


def route_of(address: Address) -> Route:
    """Return how to find the servers of an address."""
    if address.cluster:
        return Clustered(address)
    return Watched(address) if address.service else Alone(address)


def _fields(reply: Any) -> dict[str, Any]:
    """Read a map, which the older protocol sends as a list."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {_text(name): value for name, value in pairs}


def _text(reply: Any) -> str:
    return reply.decode() if isinstance(reply, bytes) else str(reply)
