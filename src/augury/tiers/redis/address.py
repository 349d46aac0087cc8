"""What a URL or a client of redis-py says about where servers are and how to connect to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from augury.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    import redis

_CARRIED = (
    "db", "username", "password", "credential_provider", "client_name",
    "socket_keepalive", "socket_keepalive_options", "socket_type",
)  # fmt: skip
_ALONE = {"redis", "rediss", "unix"}
_SEVERAL = {"redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}


class Node(NamedTuple):
    """A server."""

    host: str
    """Or the path of a Unix socket."""
    port: int
    """0 for a Unix socket."""
    sentinel: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


@dataclass(frozen=True)
class Address:
    """Where servers are, and how to connect to them."""

    seeds: tuple[Node, ...]
    """The server; or sentinels, or nodes of a cluster, that know the others."""
    transport: str
    """The class of redis-py's connections, which is named alike for coroutines."""
    options: Mapping[str, Any]
    """What such a connection takes, but for the place and the times."""
    cluster: bool = False
    service: str = ""
    """What sentinels call the server; empty without them."""
    sentinel_options: Mapping[str, Any] | None = None
    """How to connect to sentinels, where it differs."""

    def __str__(self) -> str:
        return ",".join(map(str, self.seeds))

    def connection_options(self, node: Node, timeout: float) -> dict[str, Any]:
        """Return what to make a connection to a server with."""
        options = dict(self.options)
        if node.sentinel and self.sentinel_options is not None:
            options = dict(self.sentinel_options)
        if self.transport == "UnixDomainSocketConnection":
            options["path"] = node.host
        else:
            options |= {"host": node.host, "port": node.port}
        return options | {"socket_timeout": timeout, "socket_connect_timeout": timeout}


def address_of(where: str | redis.Redis | redis.RedisCluster) -> Address:
    """Return what a URL or a client says.

    Raises
    ------
    ConfigurationError
        If it is a URL that cannot be understood, or something else.
    MissingExtraError
        If redis-py is not installed.
    """
    try:
        import redis
    except ImportError:
        raise MissingExtraError("redis", "redis") from None
    if isinstance(where, redis.RedisCluster):
        return _of_cluster_client(where)
    if isinstance(where, redis.Redis):
        return _of_client(where)
    if not isinstance(where, str):
        raise ConfigurationError(
            "name the server by a URL, or give a redis.Redis or redis.RedisCluster, "
            f"not {type(where).__name__}"
        )
    scheme = where.partition("://")[0]
    try:
        if scheme in _ALONE:
            return _of_one(where)
        if scheme in _SEVERAL:
            return _of_several(where, scheme)
    except (ValueError, TypeError) as error:
        # What is wrong may be that a password is not percent-encoded: then the error has it.
        reason = "percent-encode what is in a password" if "@" in where else error
        raise ConfigurationError(f"{_public(where)} is not understood: {reason}") from None
    raise ConfigurationError(
        f"{_public(where)} begins with none of {', '.join(sorted(_ALONE | _SEVERAL))}"
    )


def _of_one(url: str, sentinel: bool = False) -> Address:
    from redis import connection

    parse_url: Callable[[str], dict[str, Any]] = connection.parse_url
    said = parse_url(url)
    path = urlsplit(url).path.strip("/")
    if path and "path" not in said and not path.isdecimal():
        raise ValueError(f"a database has a number, such as /0, not {path!r}")
    transport = getattr(said.get("connection_class"), "__name__", "Connection")
    return Address((_node(said, sentinel),), transport, _carried(said))


def _of_several(url: str, scheme: str) -> Address:
    """Read a URL that names several servers as one of a single server, as often as there are."""
    plain, _, kind = scheme.partition("+")
    parts = urlsplit(url)
    who, at, hosts = parts.netloc.rpartition("@")
    service, _, path = parts.path.lstrip("/").partition("/") if kind == "sentinel" else ("", "", "")
    if kind == "sentinel" and not service:
        raise ValueError("the path must name the service, such as /service/0")
    if not all(hosts.split(",")):
        raise ValueError("name the hosts, with a comma between two")
    if kind == "cluster" and parts.path.strip("/") not in {"", "0"}:
        raise ValueError("a cluster has no databases")
    asked = parse_qs(parts.query)
    password = asked.pop("sentinel_password", [""])[0]
    if kind == "cluster" and asked.get("db", ["0"]) != ["0"]:
        raise ValueError("a cluster has no databases")
    query = urlencode(asked, doseq=True)
    sentinel = kind == "sentinel"
    urls = [f"{plain}://{who}{at}{host}/{path}?{query}" for host in hosts.split(",")]
    read = [_of_one(one, sentinel) for one in urls]
    first = read[0]
    seeds = tuple(one.seeds[0] for one in read)
    if not sentinel:
        return Address(seeds, first.transport, first.options, cluster=True)
    own = {name: value for name, value in first.options.items() if name.startswith("ssl")}
    if password:
        own["password"] = password
    return Address(seeds, first.transport, first.options, False, unquote(service), own)


def _of_client(client: redis.Redis) -> Address:
    pool: Any = client.connection_pool
    said = pool.connection_kwargs
    transport = pool.connection_class.__name__
    if (watched := getattr(pool, "sentinel_manager", None)) is not None:
        asked = [sentinel.connection_pool.connection_kwargs for sentinel in watched.sentinels]
        seeds = tuple(_node(one, sentinel=True) for one in asked)
        transport = "SSLConnection" if "SSL" in transport else "Connection"
        service = str(pool.service_name)
        return Address(seeds, transport, _carried(said), False, service, _carried(asked[0]))
    return Address((_node(said),), transport, _carried(said))


def _of_cluster_client(client: redis.RedisCluster) -> Address:
    nodes = client.nodes_manager
    said = nodes.connection_kwargs
    transport = "SSLConnection" if said.get("ssl") else "Connection"
    seeds = tuple(Node(node.host, int(node.port)) for node in nodes.startup_nodes.values())
    return Address(seeds, transport, _carried(said), cluster=True)


def _node(said: Mapping[str, Any], sentinel: bool = False) -> Node:
    if "path" in said:
        return Node(said["path"], 0)
    port = said.get("port", 26379 if sentinel else 6379)
    return Node(said.get("host", "localhost"), int(port), sentinel)


def _carried(said: Mapping[str, Any]) -> dict[str, Any]:
    if any("ocsp" in name and value for name, value in said.items()):
        raise ConfigurationError("redis-py cannot check OCSP in coroutines; leave it out")
    return {
        name: value
        for name, value in said.items()
        if value is not None
        and (name in _CARRIED or (name.startswith("ssl_") and "ocsp" not in name))
    }


def _public(url: str) -> str:
    """Return a URL without what may be a password in it."""
    scheme, begun, rest = url.partition("://")
    if not begun:
        return repr(f"{url.partition(':')[0]}:..." if ":" in url else url)
    plain, asked, query = rest.partition("?")
    _, at, place = plain.rpartition("@")
    if "@" in query:  # nobody knows where what is secret ends
        at, place = "", "..."
    return repr(f"{scheme}://{'...@' if at else ''}{place}{'?...' if asked else ''}")
