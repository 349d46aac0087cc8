"""A hash in a Redis server or cluster: fields of one key, which one server has at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augury.errors import TierError
from augury.tiers.redis.address import address_of
from augury.tiers.redis.connections import Connections
from augury.tiers.redis.routes import Command, route_of

if TYPE_CHECKING:
    import redis


class Hash:
    """One hash; whichever server has it is asked, redirections included.

    Parameters
    ----------
    where
        As for `augury.tiers.redis.Redis`.
    name
        The key.
    timeout
        Seconds for connecting, and for each reply.
    """

    def __init__(
        self, where: str | redis.Redis | redis.RedisCluster, name: str, timeout: float
    ) -> None:
        self.address = address_of(where)
        self._name = name.encode(errors="surrogatepass")
        self._route = route_of(self.address)
        self._connections = Connections(self.address, timeout)

    def _ask(self, *said: bytes | str | int) -> Any:
        (reply,) = self._connections.run(self._route.deliver([Command(self._name, said)]))
        if isinstance(reply, Exception):
            raise TierError(" ".join(str(reply).split()))
        return reply

    def get(self, field: str) -> bytes | None:
        """Return a field, or None."""
        found: bytes | None = self._ask("HGET", self._name, field)
        return found

    def fields(self) -> list[str]:
        """Return the names of all fields."""
        return [name.decode(errors="replace") for name in self._ask("HKEYS", self._name)]

    def items(self) -> dict[str, bytes]:
        """Return all fields."""
        flat = self._ask("HGETALL", self._name)
        return {
            name.decode(errors="replace"): value
            for name, value in zip(flat[::2], flat[1::2], strict=True)
        }

    def run(self, script: str, *arguments: bytes | str | int) -> Any:
        """Return what a script makes of the hash, at once; texts are decoded."""
        return _decoded(self._ask("EVAL", script, 1, self._name, *arguments))

    def delete(self) -> None:
        """Remove it."""
        self._ask("UNLINK", self._name)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()


def _decoded(reply: Any) -> Any:
    if isinstance(reply, list):
        return [_decoded(each) for each in reply]
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply
