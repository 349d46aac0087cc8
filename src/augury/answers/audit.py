"""Verifies a share of the inferred answers against the database, in the background."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from augury.closing import Closing
from augury.forks import renew_in_child

_WAITING = 1_000  # audits at most; more are dropped, as a database that is slow cannot do them

_log = logging.getLogger("augury.answers")


class Auditor(Closing):
    """A thread that does one audit after the other.

    It starts with the first audit. One that fails is logged, and counts for nothing.
    """

    def __init__(self) -> None:
        self._begin()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: leave the audits that wait to the parent."""
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._tasks: deque[Callable[[], None]] = deque()
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, task: Callable[[], None]) -> bool:
        """Have an audit done; return whether there was room for it."""
        with self._changed:
            if self._closed or len(self._tasks) >= _WAITING:
                return False
            self._tasks.append(task)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="augury-audits", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
            return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all audits are done; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks and not self._busy, timeout)

    def close(self) -> None:
        """Drop the audits that wait, and end the thread after the one that is under way."""
        with self._changed:
            self._closed = True
            self._tasks.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        changed = self._changed
        while True:
            with changed:
                changed.wait_for(lambda: self._tasks or self._closed)
                if self._closed:
                    return
                task = self._tasks.popleft()
                self._busy = True
            try:
                task()
            except Exception as error:
                _log.warning("an audit failed: %s", error)
            finally:
                with changed:
                    self._busy = False
                    changed.notify_all()
