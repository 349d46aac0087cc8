"""Carries out plans over connections of redis-py: from threads, and from coroutines.

A connection on which anything goes wrong is closed: a reply that comes late can never be taken for
that of another request. Nothing is tried twice, but a connection that the server has closed while
nobody used it is replaced before anything is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from augury.errors import TierError
from augury.forks import renew_in_child
from augury.tiers.redis.address import Address, Node
from augury.tiers.redis.routes import Batches, Plan, Replies

T = TypeVar("T")

Connection = Any
"""Of redis-py, whose types say nothing about it."""

_PROTOCOL = 2  # its replies are understood by every version of redis-py


class Connections:
    """Those of threads. One that is in use belongs to its thread; the others wait in stacks."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._idle: dict[Node, list[Connection]] = {}
        self._closed = False
        self._lock = threading.RLock()
        renew_in_child(self)

    def run(self, plan: Plan[T]) -> T:
        """Carry out a plan and return its result."""
        try:
            batches = next(plan)
            while True:
                try:
                    replies = self._exchange(batches)
                except TierError as error:
                    batches = plan.throw(error)
                else:
                    batches = plan.send(replies)
        except StopIteration as done:
            result: T = done.value
            return result

    def _exchange(self, batches: Batches) -> Replies:
        """Send to all servers, then read from all: they work at the same time."""
        from redis.exceptions import RedisError

        taken: list[tuple[Node, Connection]] = []
        node = next(iter(batches))
        try:
            for node, batch in batches.items():
                connection = self._take(node)
                taken.append((node, connection))
                connection.send_packed_command(connection.pack_commands(batch), check_health=False)
            replies: Replies = {}
            for node, connection in taken:
                replies[node] = [self._read(connection) for _ in batches[node]]
        except BaseException as error:
            for _, connection in taken:
                connection.disconnect()
            if isinstance(error, (RedisError, OSError)):
                raise tier_error(node, error) from error
            raise
        for node, connection in taken:
            self._idle.setdefault(node, []).append(connection)
        if self._closed:
            self.close()
        return replies

    def _take(self, node: Node) -> Connection:
        idle = self._idle.get(node)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was faster
                break
            with contextlib.suppress(Exception):
                if not connection.can_read():
                    return connection
            connection.disconnect()
        return connect(self._address, node, self._timeout)

    @staticmethod
    def _read(connection: Connection) -> Any:
        from redis.exceptions import ResponseError

        try:
            return connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    def begin_anew(self) -> None:
        """Leave connections to the process that made them."""
        self._lock = threading.RLock()
        self._idle = {}

    def close(self) -> None:
        """Close all: those in use once they are no longer."""
        self._closed = True
        for idle in list(self._idle.values()):
            with contextlib.suppress(IndexError):
                while True:
                    idle.pop().disconnect()


class AsyncConnections:
    """Those of coroutines: each event loop has its own, which end with it."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._loops: dict[asyncio.AbstractEventLoop, _OfLoop] = {}
        # A loop that was copied by a fork shares the watching of its files with the original.
        self._left_alone: list[Any] = []
        self._lock = threading.RLock()
        renew_in_child(self)

    async def run(self, plan: Plan[T]) -> T:
        """Carry out a plan and return its result."""
        of_loop = await self._of_this_loop()
        try:
            batches = next(plan)
            while True:
                try:
                    replies = await of_loop.exchange(batches)
                except TierError as error:
                    batches = plan.throw(error)
                else:
                    batches = plan.send(replies)
        except StopIteration as done:
            result: T = done.value
            return result

    async def _of_this_loop(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        if (found := self._loops.get(loop)) is None:
            for other in list(self._loops):
                if other.is_closed():  # without having closed its generators
                    self._loops.pop(other, None)
            found = self._loops[loop] = _OfLoop(self._address, self._timeout)
            await found.end_with_loop(lambda: self._loops.pop(loop, None))
        return found

    def begin_anew(self) -> None:
        """Leave connections to the process that made them."""
        self._lock = threading.RLock()
        self._left_alone.append(list(self._loops.items()))
        self._loops = {}

    def close(self) -> None:
        """Close those of all loops: each does it when it comes to it."""
        for loop, of_loop in list(self._loops.items()):
            with contextlib.suppress(RuntimeError):  # it has ended, and its connections with it
                loop.call_soon_threadsafe(of_loop.abort)

    async def aclose(self) -> None:
        """Close those of this loop now, and those of others as `close` does."""
        if (mine := self._loops.pop(asyncio.get_running_loop(), None)) is not None:
            await mine.close()
        self.close()


class _OfLoop:
    """The connections of one event loop."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._class = _transport("redis.asyncio.connection", address)
        self._idle: dict[Node, list[Connection]] = {}
        self._closed = False
        self._closing: AsyncGenerator[None, None] | None = None

    async def exchange(self, batches: Batches) -> Replies:
        """Send to all servers, then read from all."""
        from redis.exceptions import RedisError

        taken: list[tuple[Node, Connection]] = []
        node = next(iter(batches))
        try:
            for node, batch in batches.items():
                connection = await self._take(node)
                taken.append((node, connection))
                packed = connection.pack_commands(batch)
                await connection.send_packed_command(packed, check_health=False)
            replies: Replies = {}
            for node, connection in taken:
                replies[node] = [await self._read(connection) for _ in batches[node]]
        except BaseException as error:
            for _, connection in taken:
                await connection.disconnect(nowait=True)
            if isinstance(error, (RedisError, OSError)):
                raise tier_error(node, error) from error
            raise
        for node, connection in taken:
            self._idle.setdefault(node, []).append(connection)
        if self._closed:
            await self._disconnect()
        return replies

    async def _take(self, node: Node) -> Connection:
        idle = self._idle.get(node)
        while idle:
            connection = idle.pop()
            # Until version 8 of redis-py it had the other name.
            can_read = getattr(connection, "can_read", None) or connection.can_read_destructive
            with contextlib.suppress(Exception):
                if not await can_read():
                    return connection
            await connection.disconnect(nowait=True)
        connection = self._class(
            **self._address.connection_options(node, self._timeout), protocol=_PROTOCOL
        )
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    @staticmethod
    async def _read(connection: Connection) -> Any:
        from redis.exceptions import ResponseError

        try:
            return await connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    async def end_with_loop(self, forget: Callable[[], object]) -> None:
        """Close connections when the loop ends: it then closes the generators that it has seen."""

        async def until_closed() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                forget()
                await self._disconnect()

        self._closing = until_closed()
        await anext(self._closing)

    async def close(self) -> None:
        """Close all: those in use once they are no longer."""
        if self._closing is not None:
            await self._closing.aclose()

    def abort(self) -> None:
        """Close them from within the loop, without waiting."""
        self._task = asyncio.get_running_loop().create_task(self.close())

    async def _disconnect(self) -> None:
        from redis.exceptions import RedisError

        self._closed = True
        for idle in list(self._idle.values()):
            while idle:
                # TLS takes leave of the other end, which may take as long as connecting.
                with contextlib.suppress(RedisError, OSError):
                    await idle.pop().disconnect()


def connect(address: Address, node: Node, timeout: float, protocol: int = _PROTOCOL) -> Connection:
    """Return a new connection of a thread's, or raise what redis-py does."""
    options = address.connection_options(node, timeout)
    connection = _transport("redis.connection", address)(**options, protocol=protocol)
    connection.connect()
    return connection


def _transport(module: str, address: Address) -> Any:
    return getattr(importlib.import_module(module), address.transport)


def tier_error(node: Node, error: BaseException) -> TierError:
    """Return what a tier raises for what has happened at a server."""
    text = " ".join(str(error).split()) or type(error).__name__
    return TierError(f"{node}: {text}")
