"""Calls a function of one key for many, some at once."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

from augury.sources.threads import begin_in_thread

K = TypeVar("K")

Absence = type[KeyError] | tuple[()]
"""The exceptions that say that there is nothing."""

_NOTHING: Final[Any] = object()


def each(
    function: Callable[[K], Any], keys: Iterable[K], concurrency: int, absence: Absence = KeyError
) -> dict[K, Any]:
    """Call a function for each key, in some threads at once; `absence` leaves a key out."""
    keys = list(dict.fromkeys(keys))
    pending = iter(keys)
    lock = threading.Lock()  # an iterator is not for several threads
    found: dict[K, Any] = {}
    failed = threading.Event()

    def work() -> None:
        while not failed.is_set():
            with lock:
                key = next(pending, _NOTHING)
            if key is _NOTHING:
                return
            try:
                found[key] = function(key)
            except absence:
                continue
            except BaseException:
                failed.set()
                raise

    # This thread does its share, so that a single key needs no other.
    others: list[Future[None]] = []
    try:
        for _ in itertools.islice(range(len(keys) - 1), concurrency - 1):
            others.append(begin_in_thread(work))
        work()
    finally:
        failed.set()
        wait(others)
    for other in others:
        other.result()
    return found


async def aeach(
    function: Callable[[K], Awaitable[Any]],
    keys: Iterable[K],
    concurrency: int,
    absence: Absence = KeyError,
) -> dict[K, Any]:
    """Await a coroutine function for each key, in some tasks at once; see `each`."""
    keys = list(dict.fromkeys(keys))
    pending = iter(keys)
    found: dict[K, Any] = {}

    async def work() -> None:
        for key in pending:
            try:
                found[key] = await function(key)
            except absence:
                continue

    if len(keys) <= 1 or concurrency == 1:
        await work()
        return found
    tasks = [asyncio.ensure_future(work()) for _ in range(min(len(keys), concurrency))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found
