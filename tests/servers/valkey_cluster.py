"""A Valkey cluster in which every primary has a replica that takes over when it is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tests.servers.process import wait_until
from tests.servers.valkey import Nodes, Valkey, port_of_owner, valkey

NODE_TIMEOUT = 2.0
"""Seconds after which a node that does not answer counts as lost."""
_SHARDS = 3
_OPTIONS = {
    "cluster_enabled": "yes",
    "cluster_node_timeout": f"{1e3 * NODE_TIMEOUT:.0f}",
    "cluster_require_full_coverage": "no",  # a lost shard takes no other with it
    "cluster_replica_validity_factor": "0",  # a replica may be slow on a busy machine
    "cluster_allow_replica_migration": "no",  # every shard keeps its two servers
}


class ReplicatedCluster(Nodes):
    """Three shards of two servers, of which one is the primary; `replicated_cluster` makes one."""

    def __init__(self, servers: list[Valkey]) -> None:
        super().__init__(servers)
        self._shards = list(zip(servers[:_SHARDS], servers[_SHARDS:], strict=True))

    def form(self) -> None:
        """Make it one cluster, and wait until every replica follows its primary."""
        primaries = [primary for primary, _ in self._shards]
        self.share_slots(primaries)
        self.meet(self.nodes)
        for primary, replica in self._shards:
            replica.ask("CLUSTER", "REPLICATE", self.id_of(primary))
        for _, replica in self._shards:
            self.wait_until_following(replica)

    def primary_of(self, slot: int) -> Valkey:
        """The server that takes writes for a slot, as the running servers see it."""
        running = next(node for node in self.nodes if node.running)
        port = port_of_owner(running, slot)
        return next(node for node in self.nodes if node.port == port)

    def is_primary(self, server: Valkey) -> bool:
        """Whether a server takes it that it is a primary."""
        return _text(server.ask("ROLE")[0]) == "master"

    def partner_of(self, server: Valkey) -> Valkey:
        """The other server of the same shard."""
        first, second = next(shard for shard in self._shards if server in shard)
        return second if server is first else first

    def wait_for_failover(self, lost: Valkey) -> None:
        """Wait until the partner of a lost primary serves, and all others but the lost know it."""
        heir = self.partner_of(lost)
        wait_until(lambda: self.is_primary(heir), "no replica takes over")
        others = [node for node in self.nodes if node is not lost and node.running]
        for node in others:
            wait_until(
                lambda node=node: heir.port in _ports_of_owners(node),  # type: ignore[misc]
                "a node does not hear of the failover",
            )

    def wait_until_following(self, server: Valkey) -> None:
        """Wait until a server is a replica that has all that its primary has."""

        def follows() -> bool:
            role = server.ask("ROLE")
            return _text(role[0]) == "slave" and _text(role[3]) == "connected"

        wait_until(follows, "a replica does not follow")
        self.wait_until_up()

    def move_slot(self, slot: int, between: Callable[[], object] = lambda: None) -> None:
        """Move a slot to the next shard; `between` is called while its keys are on either side."""
        source = self.primary_of(slot)
        at = next(at for at, shard in enumerate(self._shards) if source in shard)
        first, second = self._shards[(at + 1) % _SHARDS]
        target = first if self.is_primary(first) else second
        self.begin_move(slot, source, target)
        between()
        self.move_keys(slot, source, target)
        between()
        self.end_move(slot, source, target)


def _ports_of_owners(server: Valkey) -> set[int]:
    import redis

    with redis.Redis(port=server.port) as client:
        client.set_response_callback("CLUSTER SLOTS", lambda reply, **_: reply)
        return {int(primary[1]) for _, _, primary, *_ in client.execute_command("CLUSTER SLOTS")}


def _text(told: bytes | str) -> str:
    return told if isinstance(told, str) else told.decode()


@contextlib.contextmanager
def replicated_cluster() -> Iterator[ReplicatedCluster]:
    """Start three primaries with a third of the slots and a replica each."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(valkey(**_OPTIONS)) for _ in range(2 * _SHARDS)]
        made = ReplicatedCluster(servers)
        made.form()
        yield made
