"""`augury serve`, in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import STARTING, die_with_parent

COMMAND = str(Path(sys.executable).with_name("augury"))


class Served:
    """A running service."""

    def __init__(self, folder: Path, configuration: str, *options: str) -> None:
        file = folder / "augury.toml"
        file.write_text(configuration)
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--config", str(file), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (the parent has no threads that matter)
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = self.line.rstrip().rpartition(" ")[2]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """Return a connection that fails the test if nothing comes."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=STARTING)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Return the exit code and what was written to stderr, once it has ended."""
        _, errors = self.process.communicate(timeout=STARTING)
        return self.process.returncode, errors


@contextmanager
def serving(folder: Path, configuration: str, *options: str) -> Iterator[Served]:
    """Run a service until the block ends, at the latest."""
    served = Served(folder, configuration, *options)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.communicate()


def refused(folder: Path, configuration: str, *options: str) -> str:
    """Return the one line with which a service refuses to start."""
    served = Served(folder, configuration, *options)
    code, errors = served.ended()
    assert (code, served.line) == (2, ""), errors
    assert errors.startswith("augury: ")
    assert errors.count("\n") == 1, errors
    return errors
