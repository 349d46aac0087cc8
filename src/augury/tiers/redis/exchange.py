"""What nodes send one another so as to learn together, through a Redis server or cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augury.errors import ConfigurationError
from augury.parameters import check_number
from augury.tiers.redis.hash import Hash

if TYPE_CHECKING:
    import redis

_LONGEST = 1e9
"""Seconds; a server refuses a time to live that it cannot count, once it has what is sent."""
_SEND = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""


class Exchange:
    """A place where each node leaves one contribution, and whoever merges them takes all.

    A contribution is bytes, at most 512 MB: a packed sample (`augury.learning.pack`) or a model
    (`augury.Artefact.to_bytes`). Both are checked by whoever reads them.

    Parameters
    ----------
    where
        As for `augury.tiers.redis.Redis`.
    name
        Of what is done together. Give each round one of its own.
    ttl
        Seconds after the last contribution in which all are forgotten, up to 1e9. By default an
        hour.
    timeout
        Seconds for connecting, and for each reply.

    Raises
    ------
    ConfigurationError
        If a parameter is not as above.
    MissingExtraError
        If redis-py is not installed.

    Notes
    -----
    Each method raises `augury.errors.TierError` if no server answers.

    Examples
    --------
    >>> exchange = Exchange("redis://127.0.0.1:6379", "round 1")
    >>> exchange.close()
    """

    def __init__(
        self,
        where: str | redis.Redis | redis.RedisCluster,
        name: str,
        *,
        ttl: float = 3600.0,
        timeout: float = 5.0,
    ) -> None:
        check_number("ttl", ttl)
        if ttl > _LONGEST:
            raise ConfigurationError(f"ttl must be at most {_LONGEST:g} seconds, not {ttl:g}")
        self._ttl = ttl
        self._hash = Hash(where, f"augury-exchange:{name}", timeout)

    def send(self, node: str, content: bytes) -> None:
        """Leave a node's contribution, its `content`, in place of its former one."""
        self._hash.run(_SEND, node, content, max(1, round(self._ttl * 1e3)))

    def received(self) -> dict[str, bytes]:
        """Return what each node has left."""
        return self._hash.items()

    def clear(self) -> None:
        """Forget all contributions."""
        self._hash.delete()

    def close(self) -> None:
        """Close the connections."""
        self._hash.close()
