"""A real Memcached, Debian's or whatever is on the PATH, that can be killed and paused."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_STARTING = 30.0  # seconds
_PR_SET_PDEATHSIG = 1


class Memcached:
    """A server on a free port of the loopback interface; `memcached` makes one."""

    def __init__(self, program: str, options: tuple[str, ...], path: Path | None) -> None:
        self.port = 0 if path else free_port()
        self.address = str(path) if path else f"127.0.0.1:{self.port}"
        where = ["-s", str(path)] if path else ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0"]
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self._path = path
        self._command = [program, *where, *user, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs, and return when it answers."""
        if self._process is not None:
            return
        # Whoever kills the test run leaves no server behind.
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 (the parent has no threads that matter)
        )
        deadline = time.monotonic() + _STARTING
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("memcached does not start: " + " ".join(self._command))
            time.sleep(0.01)

    def _answers(self) -> bool:
        family = socket.AF_UNIX if self._path else socket.AF_INET
        with socket.socket(family) as asking, contextlib.suppress(OSError):
            asking.settimeout(1.0)
            asking.connect(str(self._path) if self._path else ("127.0.0.1", self.port))
            asking.sendall(b"version\r\n")
            return asking.recv(100).startswith(b"VERSION")
        return False

    def stop(self) -> None:
        """Stop it, paused or not."""
        if self._process is not None:
            self.kill()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Make it hang: connections stay open, new ones are taken, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        while "T" not in Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2]:
            time.sleep(0.001)

    def resume(self) -> None:
        """End a `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

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


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port: int = asking.getsockname()[1]
        return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
