"""Runs a blocking call in another thread, which nothing ever has to wait for.

Executors join their threads when the interpreter or an event loop ends: one call that hangs would
hang the process. So the threads here are daemons, and whoever started a call may leave it behind.
There are as many as there are calls; one that is free waits a while for another call, as starting a
thread costs more than handing over.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_IDLE_SECONDS = 5.0

Inbox = queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]]

_idle: deque[Inbox] = deque()
"""Where to hand a call to a thread that is free; whoever takes an inbox out uses it."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has none of the threads


def begin_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Start a call in another thread, with the context variables of this one."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # cancelling would only pretend that it has ended
    call = partial(contextvars.copy_context().run, partial(function, *args, **kwargs))
    try:
        inbox = _idle.pop()  # the one that was busy last, so that others may end
    except IndexError:
        inbox = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(inbox,), name="augury-source", daemon=True).start()
    inbox.put((future, call))
    return future


async def complete_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call returns that runs in another thread; if cancelled, leave it behind."""
    return await asyncio.wrap_future(begin_in_thread(function, *args, **kwargs))


def retrieve(future: Future[Any] | asyncio.Future[Any]) -> None:
    """Keep asyncio from reporting an error whose callers have gone; called when it is done."""
    if not future.cancelled():
        future.exception()


def _serve(inbox: Inbox) -> None:
    while True:
        try:
            _complete(inbox, *inbox.get(timeout=_IDLE_SECONDS))
        except queue.Empty:
            try:
                _idle.remove(inbox)
            except ValueError:
                continue  # somebody has just taken it out
            return


def _complete(inbox: Inbox, future: Future[T], call: Callable[[], T]) -> None:
    try:
        try:
            result = call()
        except StopIteration as error:  # no future of asyncio takes one: who awaits would hang
            raise RuntimeError("a function raised StopIteration") from error
    except BaseException as error:
        _idle.append(inbox)
        future.set_exception(error)
    else:
        _idle.append(inbox)  # before its caller goes on, who may have another call for it
        future.set_result(result)
    finally:
        del future, call  # or an error, its traceback, this frame and the future form a cycle
