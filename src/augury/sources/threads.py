"""Runs a blocking call in a thread of its own, which nothing ever has to wait for.

Executors join their threads when the interpreter or an event loop ends: one call that hangs would
hang the process. So the threads here are daemons, and whoever started one may leave it behind.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def begin_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Start a call in a new thread, with the context variables of this one."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # cancelling would only pretend that it has ended
    context = contextvars.copy_context()

    thread = threading.Thread(
        target=_complete,
        args=(future, context, partial(function, *args, **kwargs)),
        name="augury-source",
        daemon=True,
    )
    thread.start()
    return future


def _complete(future: Future[T], context: contextvars.Context, call: Callable[[], T]) -> None:
    try:
        result = context.run(call)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        del future  # or an error, its traceback, this frame and the future form a cycle


async def complete_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call returns that runs in a new thread; if cancelled, leave it behind."""
    return await asyncio.wrap_future(begin_in_thread(function, *args, **kwargs))
