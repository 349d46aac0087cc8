"""What a server is asked for: the output of MONITOR for a bounded time, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from augury.accesslog.formats.monitor import Command, command_of
from augury.advice.redis.server import RefusedError, Server
from augury.errors import SourceError

_AT_ONCE = 1 << 18
_LOOK = 0.1  # seconds between two looks at the clock


@dataclass(frozen=True, slots=True)
class Capture:
    """The output of MONITOR, as it came."""

    output: bytes
    seconds: float
    """For how long it was watched."""
    ended: str
    """Why it ended: ``"time"``, ``"bytes"``, ``"commands"`` or ``"connection"``."""

    def commands(self) -> Iterator[Command]:
        """Yield the commands. A line that was cut is left out."""
        end = self.output.rfind(b"\n") + 1
        at = 0
        while at < end:
            stop = self.output.index(b"\n", at)
            # A reply's first byte is a plus sign.
            command = command_of(self.output[at + 1 : stop].rstrip(b"\r"))
            at = stop + 1
            if command is not None:
                yield command


def capture(
    server: Server,
    *,
    seconds: float,
    most_bytes: int,
    most_commands: int,
    progress: Callable[[float], object] | None = None,
) -> Capture:
    """Watch a server by MONITOR.

    What comes is only kept while it is watched, and read afterwards, so that the server never has
    to keep it for us. The connection is closed at the first of all limits, and if this is
    interrupted.

    Raises
    ------
    RefusedError
        If MONITOR is not allowed.
    SourceError
        If there is no connection. One that is lost later ends it only.
    """
    parts: list[bytes] = []
    size = lines = 0
    begun = time.monotonic()
    ended = "time"
    with server.monitor() as reading:
        reading.settimeout(_LOOK)
        while (passed := time.monotonic() - begun) < seconds:
            if progress is not None:
                progress(passed / seconds)
            try:
                part = reading.recv(_AT_ONCE)
            except TimeoutError:
                continue
            except OSError:
                part = b""
            if not part:
                ended = "connection"
                break
            if not parts and part.startswith(b"-"):
                said = part[1:].split(b"\r\n")[0].decode("utf-8", "replace")
                raise RefusedError(f"{server.name} refuses MONITOR: {said[:200]}")
            parts.append(part)
            size += len(part)
            lines += part.count(b"\n")
            if size >= most_bytes:
                ended = "bytes"
                break
            if lines > most_commands:
                ended = "commands"
                break
    if not parts and ended == "connection":
        raise SourceError(f"{server.name} closed the connection when it was sent MONITOR")
    return Capture(b"".join(parts), time.monotonic() - begun, ended)
