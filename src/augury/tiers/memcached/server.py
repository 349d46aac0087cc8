"""One Memcached server: its connections, and what one round trip does."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_from_bytes

from augury.errors import ConfigurationError, MissingExtraError, TierError

TOO_LARGE = b"SERVER_ERROR object too large for cache"
LARGEST_ITEM = 2**30
"""No server takes more. Of lengths from 2**31 on servers read the value as if it were commands."""

# A server stops reading while nobody takes its replies, so these have to fit into the buffers
# between; and a time-out is for an amount of data that is known.
_MOST_COMMANDS = 1_000
_MOST_BYTES = 4 * 2**20
_MOST_IDLE = 32
_LONGEST_WALK = 10.0
_WALK = b"lru_crawler metadump hash\r\n"


class _Socket(socket.socket):
    """Has one time-out for all that it does until it is set again.

    By itself a socket would start a new one with every wait, so that a server that sends a byte
    now and then could hold its caller for ever.
    """

    _until = 0.0

    def settimeout(self, seconds: float | None) -> None:
        self._until = time.monotonic() + (seconds or 0.0)

    def _start(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        super().settimeout(left)

    def connect(self, address: Any) -> None:
        self._start()
        super().connect(address)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._start()
        super().sendall(data, flags)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._start()
        return super().recv(size, flags)


_sockets = SimpleNamespace(**{**vars(socket), "socket": _Socket})


class Server:
    """Connections to one server, as many as there are threads that use it at once.

    A connection is never used again once anything went wrong with it, nor if it has something to
    read before it was asked: what comes late is never taken for an answer to another question,
    and what was connected to a server that has since been restarted is not tried.

    Parameters
    ----------
    address
        ``"host:port"``, ``"[::1]:port"`` or the path of a Unix socket.
    timeout
        Seconds for one round trip; connecting has as much again.

    Raises
    ------
    ConfigurationError
        If the address is none.
    MissingExtraError
        If pymemcache is not installed.
    """

    def __init__(self, address: str, timeout: float) -> None:
        try:
            from pymemcache.client.base import Client, normalize_server_spec
        except ImportError:
            raise MissingExtraError("pymemcache", "memcached") from None
        try:
            spec = "" if re.search(r"\s|://", address) else normalize_server_spec(address)
        except (TypeError, ValueError):
            spec = ""
        if not (spec[0] and 0 < spec[1] < 2**16 if isinstance(spec, tuple) else spec):
            raise ConfigurationError(
                f"{address!r} is no Memcached server; write host:port or the path of a socket"
            )
        self.name: str = f"{spec[0]}:{spec[1]}" if isinstance(spec, tuple) else spec
        """The same for all ways to write the address."""
        self.timeout = timeout
        self._connect: Callable[[], Any] = lambda: Client(
            spec,
            connect_timeout=self.timeout,
            timeout=self.timeout,
            no_delay=True,
            socket_module=_sockets,
        )
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()
        self._closed = False

    @contextmanager
    def link(self) -> Iterator[Link]:
        """Lend a connection; it is connected when first used."""
        link = Link(self, self._take())
        try:
            yield link
        except BaseException:
            link.client.close()
            raise
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(link.client)
        else:
            link.client.close()
        if self._closed:
            self.close()

    def _take(self) -> Any:
        if self._pid != os.getpid():
            # They are the parent's, who reads from them, too; for the parent they stay open.
            self._drop_idle()
            self._pid = os.getpid()
        while True:
            try:
                client = self._idle.pop()
            except IndexError:
                return self._connect()
            if client.sock is not None and not _is_readable(client.sock):
                return client
            client.close()

    def close(self) -> None:
        """Close all connections; those in use once they are given back."""
        self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Link:
    """A connection, for as long as one thread has it.

    Numbers for compare-and-swap are only good on the connection that they came by: a server that
    was restarted in between begins to count again.
    """

    def __init__(self, server: Server, client: Any) -> None:
        self.client = client
        self._server = server

    def fetch(self, names: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """Return the values under these keys, each with its number for compare-and-swap."""
        found: dict[bytes, tuple[bytes, bytes]] = {}
        for at in range(0, len(names), _MOST_COMMANDS):
            with self._asking():
                found |= self.client.gets_many(names[at : at + _MOST_COMMANDS])
        return found

    def send(self, commands: Sequence[bytes], *replies: bytes) -> list[bytes]:
        """Send commands, and return the reply to each: one of `replies`, or `TOO_LARGE`.

        Raises
        ------
        TierError
            If the server does not answer, answers something else, or is out of memory. What
            became of the commands is then unknown.
        """
        answers: list[bytes] = []
        for batch in _batches(commands):
            with self._asking() as sock:
                sock.sendall(b"".join(batch))
                answers += _lines(sock, len(batch))
        for answer in answers:
            if answer not in replies and answer != TOO_LARGE:
                if b"out of memory" in answer.lower():
                    raise TierError(f"Memcached server {self._server.name} is out of memory")
                raise self._nonsense(answer)
        return answers

    def version(self) -> str:
        """Return what the server says that it is."""
        with self._asking():
            return str(self.client.version(), "ascii")

    def names(self, prefix: bytes, length: int) -> list[bytes]:
        """Return all keys of so many bytes that begin with this."""
        start = b"key=" + quote_from_bytes(prefix, safe="").encode()
        give_up = time.monotonic() + _LONGEST_WALK
        found: list[bytes] = []
        with self._asking() as sock:
            # By the hash table: on a walk by age, what is used meanwhile would be passed over.
            sock.sendall(_WALK)
            for line in _stream(sock):
                if line.startswith(start):
                    name = prefix + line[len(start) :].partition(b" ")[0]
                    if len(name) == length:
                        found.append(name)
                elif line == b"END\r":
                    return found
                elif line.startswith(b"BUSY") and time.monotonic() < give_up:
                    time.sleep(0.05)  # The server walks by itself now and then.
                    sock.sendall(_WALK)
                elif not line.startswith(b"key="):
                    raise self._nonsense(line)
                # However many keys there are: as long as the server goes on, it does its work.
                sock.settimeout(self._server.timeout)
        return found

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """Begin the time-out of a round trip, and say in one way whatever goes wrong in it."""
        from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

        name = self._server.name
        try:
            if self.client.sock is None:
                self.client.version()
            self.client.sock.settimeout(self._server.timeout)
            yield self.client.sock
        except TierError:
            raise
        except TimeoutError:
            raise TierError(
                f"Memcached server {name} did not answer within {self._server.timeout:g} s"
            ) from None
        except (MemcacheUnexpectedCloseError, EOFError):
            raise TierError(f"Memcached server {name} has closed the connection") from None
        except OSError as error:
            raise TierError(f"Memcached server {name}: {error.strerror or error}") from None
        except (MemcacheError, LookupError, ValueError, AssertionError) as error:
            raise self._nonsense(error) from None

    def _nonsense(self, answer: object) -> TierError:
        return TierError(f"Memcached server {self._server.name} answered {repr(answer)[:100]}")


def _batches(commands: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for command in commands:
        if batch and (len(batch) >= _MOST_COMMANDS or size + len(command) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(command)
        size += len(command)
    if batch:
        yield batch


def _lines(sock: socket.socket, count: int) -> list[bytes]:
    """Return so many lines, the only ones that may come."""
    pieces = []
    missing = count
    while missing > 0:
        pieces.append(_receive(sock))
        missing -= pieces[-1].count(b"\n")
    *lines, rest = b"".join(pieces).split(b"\r\n")
    if rest or len(lines) != count:
        raise ValueError("lines that nobody has asked for")
    return lines


def _stream(sock: socket.socket) -> Iterator[bytes]:
    rest = b""
    while True:
        *lines, rest = (rest + _receive(sock)).split(b"\n")
        yield from lines


def _receive(sock: socket.socket) -> bytes:
    if piece := sock.recv(65_536):
        return piece
    raise EOFError
