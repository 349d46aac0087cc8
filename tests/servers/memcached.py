"""A real Memcached, Debian's or whatever is on the PATH, that can be killed and paused."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import ServerProcess, free_port, wait_until


class Memcached(ServerProcess):
    """A server on a free port of the loopback interface; `memcached` makes one."""

    def __init__(self, program: str, options: tuple[str, ...], path: Path | None) -> None:
        super().__init__()
        self.port = 0 if path else free_port()
        self.address = str(path) if path else f"127.0.0.1:{self.port}"
        where = ["-s", str(path)] if path else ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0"]
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self._path = path
        self._command = [program, *where, *user, *options]

    def start(self) -> None:
        """Start it, unless it runs, and return when it answers."""
        if not self.running:
            self.launch(self._command)
            wait_until(self._answers, "memcached does not start")

    def _answers(self) -> bool:
        self.check(" ".join(self._command))
        family = socket.AF_UNIX if self._path else socket.AF_INET
        with socket.socket(family) as asking, contextlib.suppress(OSError):
            asking.settimeout(1.0)
            asking.connect(str(self._path) if self._path else ("127.0.0.1", self.port))
            asking.sendall(b"version\r\n")
            return asking.recv(100).startswith(b"VERSION")
        return False

    def restart(self) -> None:
        """Kill it if it runs, and start it on the same port, with nothing in it."""
        self.stop()
        self.start()


@contextlib.contextmanager
def memcached(*options: str, path: Path | None = None) -> Iterator[Memcached]:
    """Start a server, and stop it in the end; skip the test where there is none.

    With a path it listens on a Unix socket there, else on a free port.
    """
    program = shutil.which("memcached", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin")
    if program is None:
        pytest.skip("memcached is not installed")
    server = Memcached(program, options, path)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@functools.cache
def shared_servers(count: int) -> tuple[Memcached, ...]:
    """Return servers that all tests of this run may use, each test in a namespace of its own."""
    with contextlib.ExitStack() as stack:
        servers = tuple(stack.enter_context(memcached()) for _ in range(count))
        atexit.register(stack.pop_all().close)
    return servers
