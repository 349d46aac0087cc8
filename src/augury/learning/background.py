"""One thread a process, in which all caches that learn do so, one after another."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Protocol

_log = logging.getLogger("augury.learning")

_AFTER_FAILURE = 60.0  # seconds, should a task fail in a way that it did not foresee
# Seconds: longer only if a disk hangs.
_FORK_WAITS = 5.0


class Stopped(Exception):  # noqa: N818 - it is no error
    """What was going on is not wanted any more."""


class Task(Protocol):
    """Work that the thread does bit by bit."""

    def step(self) -> float | None:
        """Do what is due; return the seconds until the next look, or None if there is none."""

    def stop(self) -> None:
        """End a step under way soon, and do nothing more."""

    def begin_anew(self) -> None:
        """Forget what was under way: this is a forked child, where it does not go on."""


@dataclass(slots=True)
class _Entry:
    task: weakref.ref[Task]
    due: float = 0.0
    """When to look at it again, by the monotonic clock."""

    def step(self) -> bool:
        """Return whether there is more to come."""
        task = self.task()
        if task is None:
            return False
        try:
            pause = task.step()
        except Stopped:
            return False
        except Exception:
            _log.exception("a learner failed; it tries again in %.0f seconds", _AFTER_FAILURE)
            pause = _AFTER_FAILURE
        self.due = time.monotonic() + (pause or 0.0)
        return pause is not None


class Background:
    """The thread. It refers to tasks weakly, and ends with the last of them."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._thread: threading.Thread | None = None
        self._begin()

    def _begin(self) -> None:
        # Of the two above. Reentrant, as the last reference to anything may end where it is held.
        self._lock = threading.RLock()
        self._woken = threading.Event()
        self._stopping = False
        self.undisturbed = threading.RLock()
        """Held while nothing must be copied half-way by a fork: imports, files."""

    def add(self, task: Task) -> None:
        """Look after a task for as long as anyone else refers to it."""
        with self._lock:
            self._entries.append(_Entry(weakref.ref(task)))
            if self._thread is None:
                self._start()
        self._woken.set()

    def _start(self) -> None:
        """Begin, with the lock held. Caches go on where there can be no more threads."""
        thread = threading.Thread(target=self._run, name="augury-learning", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _log.warning("nothing is learned until another cache begins to: %s", error)
            return
        self._thread = thread

    def _run(self) -> None:
        while True:
            self._woken.clear()
            with self._lock:
                self._entries = [each for each in self._entries if each.task() is not None]
                if self._stopping or not self._entries:
                    self._thread = None
                    return
                first = min(self._entries, key=lambda each: each.due)
            pause = first.due - time.monotonic()
            if pause > 0:
                self._woken.wait(pause)
            elif not first.step():
                with self._lock:
                    self._entries = [each for each in self._entries if each is not first]

    def stop(self) -> None:
        """End, and wait until it has."""
        with self._lock:
            self._stopping = True
            thread, entries = self._thread, self._entries
        for each in entries:
            task = each.task()
            if task is not None:
                task.stop()
        self._woken.set()
        if thread is not None:
            thread.join()

    def before_fork(self) -> None:
        """Wait until nothing is half-way, but not for ever."""
        self._held = self.undisturbed.acquire(timeout=_FORK_WAITS)

    def after_fork_in_parent(self) -> None:
        """Let it go on."""
        if self._held:
            self.undisturbed.release()

    def after_fork_in_child(self) -> None:
        """Go on in a thread of the child's own."""
        self._begin()
        for each in self._entries:
            each.due = 0.0
            task = each.task()
            if task is not None:
                task.begin_anew()
        if self._thread is not None:
            self._thread = None
            with self._lock:
                self._start()


background = Background()
"""The one of this process."""

atexit.register(background.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=background.before_fork,
        after_in_parent=background.after_fork_in_parent,
        after_in_child=background.after_fork_in_child,
    )
