"""What happens to a cluster while processes use it, and what it alone may lose by that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from redis.crc import key_slot

from augury.tiers import frame
from tests.consistency.clients import KEYS
from tests.consistency.history import NEVER, Operation
from tests.servers.valkey import Valkey
from tests.servers.valkey_cluster import ReplicatedCluster

LAG = 0.1
"""Seconds: a write acknowledged for longer than that is on the replica, however busy the machine.
A primary sends it there in the same turn in which it answers."""


@dataclass
class Chaos:
    """Faults that happen to one cluster, and when.

    Each returns once all servers are well again.
    """

    cluster: ReplicatedCluster
    namespace: str
    lost: list[tuple[str, int]] = field(default_factory=list)
    """Keys whose primary was lost, and when, by `time.monotonic_ns`."""

    def slot(self, key: str) -> int:
        """The slot of a key that `Tiers` keep in the namespace."""
        return slot_of(self.namespace, key)

    def kills(self) -> None:
        """Kill a primary; its replica takes over, and it comes back as a replica."""
        victim = self._lose("a", Valkey.kill)
        self.cluster.wait_for_failover(victim)
        victim.start()
        self.cluster.wait_until_following(victim)

    def pauses(self) -> None:
        """Stop a primary for so long that its replica takes over, and let it wake up."""
        victim = self._lose("b", Valkey.pause)
        self.cluster.wait_for_failover(victim)
        victim.resume()
        self.cluster.wait_until_following(victim)

    def _lose(self, key: str, how: Callable[[Valkey], None]) -> Valkey:
        victim = self.cluster.primary_of(self.slot(key))
        theirs = [it for it in KEYS if self.cluster.primary_of(self.slot(it)) is victim]
        how(victim)
        self.lost += [(it, time.monotonic_ns()) for it in theirs]
        return victim

    def moves(self) -> None:
        """Move the slot of each key to another primary, with a while in between."""
        for key in KEYS:
            self.cluster.move_slot(self.slot(key), lambda: time.sleep(0.2))

    def with_losses(self, history: dict[str, list[Operation]]) -> dict[str, list[Operation]]:
        """Return a history in which what a primary may have taken with it may never have happened.

        Replication is asynchronous: those are the writes acknowledged within `LAG` before.
        """
        return {
            key: [self._undone(each) for each in operations] for key, operations in history.items()
        }

    def _undone(self, done: Operation) -> Operation:
        at_risk = any(
            done.key == key and when - LAG * 1e9 <= done.end <= when for key, when in self.lost
        )
        return done._replace(end=NEVER) if done.kind == "write" and at_risk else done


def slot_of(namespace: str, key: str) -> int:
    """Return the slot in which tiers keep a key."""
    return int(key_slot(namespace.encode() + b":" + frame.address(("", key))[:16]))


def spread(cluster: ReplicatedCluster) -> str:
    """Return a namespace in which no primary has all keys."""
    names = (f"history{number}" for number in range(1_000))
    return next(
        name
        for name in names
        if len({cluster.primary_of(slot_of(name, key)).port for key in KEYS}) > 1
    )
