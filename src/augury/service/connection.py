"""One client's connection: uvicorn's, with clients shut out that are slow or send too much."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from augury.service.problems import Problem

HEAD_BYTES = 65_536
"""Most bytes of a request's line and headers, from when they come in several pieces."""


def connection(seconds: float) -> type[HttpToolsProtocol]:
    """Return the class of connections.

    Parameters
    ----------
    seconds
        How long a client may take for the head of a request, and to take some of what it is sent.
    """
    return type("Connection", (Connection,), {"seconds": seconds})


class Connection(HttpToolsProtocol):
    """A connection."""

    seconds: float
    _in_head = False
    _head = 0
    _head_timer: asyncio.TimerHandle | None = None
    _reading_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_came()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            if self._head > HEAD_BYTES:
                self._refuse(Problem(431, f"headers have {HEAD_BYTES} bytes at most"))
            elif self._head_timer is None:
                self._expect_head()

    def on_message_begin(self) -> None:
        """Begin with a request."""
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        """Serve the request."""
        self._in_head = False
        self._head_came()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(Problem(400, msg))

    def pause_writing(self) -> None:
        """Wait until the client has taken some of what was sent."""
        super().pause_writing()
        self._expect_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on."""
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None
        super().resume_writing()

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.seconds, self._head_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        if self._in_head:
            self._refuse(Problem(408, f"the headers did not come within {self.seconds:g} s"))
        else:
            self.transport.close()

    def _expect_reading(self, unread: int) -> None:
        self._reading_timer = self.loop.call_later(self.seconds, self._reading_late, unread)

    def _reading_late(self, before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread < before:  # slow, but it reads
            self._expect_reading(unread)
        else:
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer what has not become a request, and hang up."""
        response = problem.response()
        response.headers["connection"] = "close"
        lines = [b"%s: %s\r\n" % header for header in response.raw_headers]
        head = STATUS_LINE[problem.status_code] + b"".join(lines) + b"\r\n"
        self.transport.write(head + bytes(response.body))
        self.transport.close()
