"""The thread of a prefetcher, and its end with the process."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from typing import Protocol

JOIN_SECONDS = 5.0
"""How long to wait for a thread's end, at most."""

_log = logging.getLogger("augury.prefetch")


class Fetching(Protocol):
    """What the thread needs of a prefetcher."""

    _thread: threading.Thread | None
    _asks: bool
    """Whether the thread waits for the source."""

    def _turn(self) -> float | None:
        """Fetch what may be fetched; return the seconds to wait, or None at the end."""

    def _end(self) -> bool:
        """Fetch and store nothing more; return whether that is new."""


def start_thread(prefetcher: Fetching, gate: threading.Lock) -> threading.Thread | None:
    """Start a thread that waits at the gate between turns; None, and told, if there can be none."""
    thread = threading.Thread(
        target=_serve,
        args=(gate, weakref.ref(prefetcher)),
        name="augury-prefetch",
        daemon=True,
    )
    try:
        thread.start()
    except RuntimeError as error:
        _log.warning("nothing is fetched ahead, as there can be no thread: %s", error)
        return None
    _with_threads.add(prefetcher)
    return thread


def _serve(gate: threading.Lock, reference: weakref.ref[Fetching]) -> None:
    """Be the thread, which refers to nothing but the gate while it waits."""
    while True:
        prefetcher = reference()
        pause = prefetcher._turn() if prefetcher is not None else None
        del prefetcher
        if pause is None:
            return
        if pause:
            gate.acquire(timeout=min(pause, threading.TIMEOUT_MAX))


_with_threads: weakref.WeakSet[Fetching] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End all threads but those that wait for their source, which nothing shall wait for.

    Python ends threads where they are. That aborts the process if one is in a listener, weigher or
    finalizer that native code has called.
    """
    for prefetcher in list(_with_threads):
        prefetcher._end()
        deadline = time.monotonic() + JOIN_SECONDS
        thread = prefetcher._thread
        while thread is not None and thread.is_alive() and not prefetcher._asks:
            if time.monotonic() > deadline:
                break
            thread.join(0.01)
