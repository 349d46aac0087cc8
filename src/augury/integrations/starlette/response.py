"""Passes an application's response on, and gathers it meanwhile if it may be kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from augury.integrations.starlette.lifetime import Lifetime
from augury.integrations.starlette.rules import Headers, lifetime, values_of
from augury.integrations.starlette.stored import Stored

if TYPE_CHECKING:
    from starlette.types import Message, Send

_BODY, _START = "http.response.body", "http.response.start"


class Recording:
    """What an application sends its response to.

    A response that comes as a whole is kept before it is sent, so that it can have an ETag; one
    that comes in parts is sent part by part.

    Parameters
    ----------
    send
        Sends to the client.
    request
        Headers of the request.
    default
        How long the response is kept if it does not say so itself.
    state
        What Cache-Status says of it.
    max_body
        Longest body that is kept.
    keeps
        Whether it may be kept at all.
    kept, passed
        Called once: with what is to be kept, or as soon as nothing is.
    """

    def __init__(
        self,
        send: Send,
        request: Headers,
        default: Lifetime,
        state: bytes,
        *,
        max_body: int,
        keeps: bool,
        kept: Callable[[Stored], Awaitable[None]] | None = None,
        passed: Callable[[], None] | None = None,
    ) -> None:
        self._send = send
        self._request = request
        self._default = default
        self._state = state
        self._max_body = max_body
        self._keeps = keeps
        self._kept = kept
        self._passed = passed
        self._start: Any = None
        self._sent = False
        self._lifetime = 0.0
        self._length: int | None = None  # that it claims to have
        self._parts: list[bytes] = []
        self._size = 0

    async def __call__(self, message: Message) -> None:
        """Take a part of the response."""
        if message["type"] == _START:
            await self._begin(message)
        elif message["type"] == _BODY and self._keeps:
            await self._gather(message)
        else:
            if self._keeps:
                await self._give_up()  # a file that the server sends by itself, for example
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        self._start = message
        headers: Headers = [(name.lower(), value) for name, value in message.get("headers", ())]
        self._lifetime = lifetime(message["status"], headers, self._default.seconds)
        length = next(iter(values_of(headers, b"content-length")), None)
        if length is not None and length.isdigit():
            self._length = int(length)
        fits = length is None or (self._length is not None and self._length <= self._max_body)
        if not self._keeps:
            await self._send_start()
        elif self._lifetime <= 0 or not fits or message.get("trailers"):
            await self._give_up()

    async def _gather(self, message: Message) -> None:
        body = message.get("body", b"")
        self._parts.append(body)
        self._size += len(body)
        more = message.get("more_body", False)
        broken = not more and self._length not in (None, self._size)
        if self._size > self._max_body or broken:
            await self._give_up()
            await self._send(message)
        elif more:
            await self._send_start()
            await self._send(message)
        else:
            await self._complete(message)

    async def _complete(self, message: Message) -> None:
        self._keeps = False
        assert self._kept is not None
        headers = [(name.lower(), value) for name, value in self._start.get("headers", ())]
        response = Stored.of(self._start["status"], headers, b"".join(self._parts), self._lifetime)
        await self._kept(response)
        if self._sent:
            await self._send(message)
            return
        self._sent = True
        for part in response.messages(
            self._request, self._state + b"; stored", aged=False, bodiless=False
        ):
            await self._send(part)

    async def _give_up(self) -> None:
        """Keep nothing: whatever comes is sent as it is."""
        self._keeps = False
        self._parts.clear()
        if self._passed is not None:
            self._passed()
        await self._send_start()

    async def _send_start(self) -> None:
        if not self._sent and self._start is not None:
            self._sent = True
            headers = [*self._start.get("headers", ()), (b"cache-status", self._state)]
            await self._send({**self._start, "headers": headers})
