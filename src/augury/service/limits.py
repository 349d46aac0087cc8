"""How much a client may ask for: requests a second, bytes of a body, and time to send them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from starlette.types import Message, Receive

from augury.cache import Cache
from augury.service.problems import Problem

KEY_LENGTH = 1024
"""Most characters of a key."""
_CLIENTS = 10_000
"""How many clients are told apart; whoever has not asked for the longest is forgotten."""
_LEAVE = {"Connection": "close"}  # what is still on its way is not read any more


class Rate:
    """A token bucket for each client.

    Parameters
    ----------
    rate
        Requests a second; 0 for no limit. As many at once as in a second, and one at least.
    clock
        Returns the present in seconds.

    Examples
    --------
    >>> rate = Rate(2.0, clock=lambda: 0.0)
    >>> rate.take("a")
    >>> rate.take("a")
    >>> rate.take("a")
    Traceback (most recent call last):
    ...
    augury.service.problems.Problem: 429: more than 2 requests a second; wait 1 s
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._clock = clock
        self._buckets: Cache[str, tuple[float, float]] = Cache(_CLIENTS, policy="lru")

    def take(self, client: str, cost: float = 1.0) -> None:
        """Let a client send one request more.

        Parameters
        ----------
        client
            Who sends it.
        cost
            As how many it counts, up to 1.

        Raises
        ------
        Problem
            429 if it has sent too many.
        """
        if not self._rate:
            return
        now = self._clock()
        left, at = self._buckets.get(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if left < cost:
            wait = math.ceil((cost - left) / self._rate)
            raise Problem(
                429,
                f"more than {self._rate:g} requests a second; wait {wait} s",
                {"Retry-After": str(wait)},
            )
        self._buckets.set(client, (left - cost, now))


class Body:
    """A request's body, which may be neither too long nor too slow.

    Parameters
    ----------
    receive
        Of the request.
    most
        Bytes that it may have.
    seconds
        How long it may take, from now on.
    """

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive = receive
        self._left = self._most = most
        self._seconds = seconds
        self._deadline: float | None = None
        self._ended = False

    async def __call__(self) -> Message:
        """Return the next message, as `receive` does.

        Raises
        ------
        Problem
            413 if the body is too long, 408 if it is too slow.
        """
        if self._ended:  # nothing but the client's leaving comes now
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                408, f"the body did not come within {self._seconds:g} s", _LEAVE
            ) from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise too_long(self._most)
        self._ended = not message.get("more_body", False)
        return message

    async def read(self) -> bytes:
        """Return all of it.

        Raises
        ------
        Problem
            As above, and 400 if the client leaves before its end.
        """
        chunks = []
        while not self._ended:
            message = await self()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the body has ended early")
            chunks.append(message.get("body", b""))
        return b"".join(chunks)


def too_long(most: int) -> Problem:
    """Return what a client is told whose body is too long."""
    return Problem(413, f"a body has {most} bytes at most", _LEAVE)
