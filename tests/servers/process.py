"""A server process that can be hurt, and that outlives no test run."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

STARTING = 60.0
"""Seconds that a server may take to do what it is asked; the machine may be busy."""
_PR_SET_PDEATHSIG = 1


class ServerProcess:
    """A server, which ends with the thread that has started it, at the latest."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    def launch(self, command: Sequence[str]) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (the parent has no threads that matter)
        )

    def check(self, what: str) -> None:
        """Fail the test if the process has ended by itself."""
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"it ended with {self._process.returncode}: {what}")

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


def wait_until(true: Callable[[], Any], or_else: str) -> None:
    """Wait until something is so, which it must become."""
    deadline = time.monotonic() + STARTING
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(or_else)
        time.sleep(0.01)


def free_port() -> int:
    """Return a port that nobody listens on, and whose cluster bus port is one, too."""
    while True:
        with socket.socket() as asking:
            asking.bind(("127.0.0.1", 0))
            port: int = asking.getsockname()[1]
        if port < 55_000:
            return port


def die_with_parent() -> None:
    """End this process with the one that has started it; a `preexec_fn`."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
