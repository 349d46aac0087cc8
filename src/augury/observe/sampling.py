"""The thread that looks at what is observed, once an interval."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from augury.errors import ConfigurationError
from augury.forks import renew_in_child
from augury.observe.kinds import kind_of
from augury.observe.watch import Watch

_log = logging.getLogger("augury.observe")


class Sampling:
    """Watches things in the background. One an `Observer`, which it must not refer to."""

    def __init__(self, interval: float, keep: int) -> None:
        self._interval = interval
        self._keep = keep
        self._watches: dict[tuple[str, str], Watch[Any]] = {}
        self._closed = False
        self._begin()
        renew_in_child(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()  # of the watches
        self._busy = threading.Lock()  # held while one thread samples
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin_anew(self) -> None:
        """Go on in a thread of its own: this is a forked child, where the parent's does not run."""
        self._begin()
        for watch in self._watches.values():
            watch.begin_anew()
        if self._watches and not self._closed:
            self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="augury-observe", daemon=True)
        self._thread.start()

    def add(self, name: str, observed: object) -> None:
        """Watch something; the thread starts with the first."""
        kind = kind_of(observed)
        with self._lock:
            if self._closed:
                raise ConfigurationError("this Observer is closed; make another one")
            known = self._watches.get((kind.SECTION, name))
            if known is not None and known.observed is not None:
                raise ConfigurationError(f"{kind.SECTION}: {name!r} is observed already")
            self._watches[kind.SECTION, name] = kind(name, observed, self._keep)
            if self._thread is None:
                self._start()

    def remove(self, name: str) -> bool:
        """Watch what has this name no more; return whether there was something."""
        with self._lock:
            gone = [self._watches.pop(key) for key in list(self._watches) if key[1] == name]
        for watch in gone:
            _stop(watch)
        return bool(gone)

    def watches(self) -> list[tuple[Watch[Any], Any]]:
        """Return who watches, and what; those whose thing is gone are forgotten."""
        with self._lock:
            found = [(key, watch, watch.observed) for key, watch in self._watches.items()]
            for key, _, observed in found:
                if observed is None:
                    del self._watches[key]
        return [(watch, observed) for _, watch, observed in found if observed is not None]

    def sample(self) -> None:
        """Look at everything now."""
        with self._busy:
            at = time.time()
            for watch, observed in self.watches():
                try:
                    watch.sample(observed, at)
                except Exception:  # of one; the others are looked at nevertheless
                    _log.exception("cannot sample %s", watch.name)

    def _run(self) -> None:
        stop = self._stop
        due = time.monotonic() + self._interval
        while not stop.wait(max(0.0, due - time.monotonic())):
            self.sample()
            # What took long is not made up for.
            due = max(due + self._interval, time.monotonic())

    def stop_soon(self) -> None:
        """End the thread without waiting; safe where the garbage collector calls it."""
        self._stop.set()
        for watch in list(self._watches.values()):
            _stop(watch)

    def close(self) -> None:
        """End the thread, and watch nothing more."""
        with self._lock:
            self._closed = True
            gone = list(self._watches.values())
            self._watches.clear()
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        for watch in gone:
            _stop(watch)


def _stop(watch: Watch[Any]) -> None:
    observed = watch.observed
    if observed is not None:
        watch.stop(observed)
