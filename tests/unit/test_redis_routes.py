"""What servers say about who has what, in both protocols, and what they cannot mean."""

from typing import Any

import pytest

from augury.errors import TierError
from augury.tiers.redis.address import Node
from augury.tiers.redis.link import _told
from augury.tiers.redis.resp3 import ProtocolError
from augury.tiers.redis.routes import shards_of

ASKED = Node("asked", 1)


def shard(slots: list[int], *nodes: dict[bytes, Any]) -> dict[bytes, Any]:
    return {b"slots": slots, b"nodes": list(nodes)}


def node(port: int, role: bytes = b"master", **more: Any) -> dict[bytes, Any]:
    told = {b"id": b"x", b"port": port, b"ip": b"1.2.3.4", b"endpoint": b"1.2.3.4", b"role": role}
    return told | {b"health": b"online"} | {name.encode(): it for name, it in more.items()}


def flat(reply: Any) -> Any:
    """As the older protocol sends it."""
    if isinstance(reply, dict):
        return [it for pair in reply.items() for it in map(flat, pair)]
    return [flat(it) for it in reply] if isinstance(reply, list) else reply


@pytest.mark.parametrize("way", [lambda it: it, flat], ids=["maps", "lists"])
def test_primaries_and_their_slots(way: Any) -> None:
    reply = [
        shard([5, 9, 20, 20], node(7, b"replica"), node(6)),
        shard([0, 4], node(9, health=b"failed"), node(5)),
        shard([], node(8)),
        shard([], node(4, health=b"failed")),
        shard([10, 19], node(3, health=b"failed")),
    ]
    host = "1.2.3.4"
    assert shards_of(ASKED, way(reply), secure=False) == {
        Node(host, 6): [(5, 9), (20, 20)],
        Node(host, 5): [(0, 4)],
        Node(host, 8): [],
        Node(host, 3): [(10, 19)],
    }


@pytest.mark.parametrize("endpoint", [b"", b"?", None])
def test_a_server_that_does_not_know_its_own_address(endpoint: bytes | None) -> None:
    reply = [shard([0, 1], node(5, endpoint=endpoint))]
    assert shards_of(ASKED, reply, secure=False) == {Node("asked", 5): [(0, 1)]}


def test_the_port_of_tls() -> None:
    both = node(5) | {b"tls-port": 6}
    assert shards_of(ASKED, [shard([0, 1], both)], secure=True) == {Node("1.2.3.4", 6): [(0, 1)]}
    assert shards_of(ASKED, [shard([0, 1], both)], secure=False) == {Node("1.2.3.4", 5): [(0, 1)]}


@pytest.mark.parametrize(
    "reply",
    [
        None, b"OK", [], [1], [[]], [shard([0, 1])], [shard([0], node(5))], [shard([0, 1], {})],
        [shard([0, 1], node(5) | {b"port": b"x"})], [{b"slots": None, b"nodes": None}],
        ValueError("ERR"), [[b"slots"]],
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_meant(reply: Any) -> None:
    with pytest.raises(TierError, match=r"^[^\n]+$"):
        shards_of(ASKED, reply, secure=False)


def test_what_a_node_tells_of_its_cluster() -> None:
    text = b"cluster_state:ok\r\ncluster_size:3\r\ncluster_stats_messages_sent:1\r\n"
    assert _told(b"txt:" + text) == _told(text) == ("ok", "", "", "3", "", "")
    assert _told(text.replace(b"sent:1", b"sent:2")) == _told(text)
    assert _told(text.replace(b"state:ok", b"state:fail")) != _told(text)
    with pytest.raises(ProtocolError):
        _told(None)
