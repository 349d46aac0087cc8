"""The thread that takes recorded accesses out of the ring and hands them to files."""

from __future__ import annotations

import logging
import os
import queue
import secrets
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.accesslog.chunk import Chunk
from augury.accesslog.merging import reads_of
from augury.accesslog.record import ACCESS, SCHEMA, Losses, Metadata
from augury.accesslog.rotation import RotatingFile, Rotation
from augury.accesslog.rows import Rows
from augury.errors import ConfigurationError

_log = logging.getLogger("augury.accesslog")

Listener = Callable[[str, Chunk], object]
"""Is told the name of a cache and reads of it, in the background."""

_BATCH = 1 << 13
# Seconds between two looks at the ring: the fuller it was found, the sooner comes the next.
_LONGEST_PAUSE = 0.5
_SHORTEST_PAUSE = 0.005
# Seconds: longer only if a disk hangs, or the thread waits for a lock that the forking one has.
_FORK_WAITS = 5.0


class CacheLog:
    """What is recorded of the caches of one name, in this process."""

    def __init__(
        self, recording: _native.Recording, source: int, name: str, file: RotatingFile
    ) -> None:
        self.name = name
        self.file = file
        self.refused = 0
        """Accesses whose key has no encoding."""
        self._recording = recording
        self._source = source
        self._before = recording.counts(source)  # in the process forked from

    @property
    def sampled(self) -> int:
        """Accesses of sampled keys."""
        return self._recording.counts(self._source)[0] - self._before[0]

    def lost(self) -> Losses:
        """Return what is in no file."""
        dropped = self._recording.counts(self._source)[1] - self._before[1]
        return Losses(dropped, self.refused, self.file.failed)

    def finish(self) -> None:
        """Finish the file."""
        self.file.finish(self.lost())


class LogThread:
    """Drains a recording in the background. One a `Recorder`, which it must not refer to.

    All of its work is done in the one thread; the others give it commands. A forked child gets
    another thread, and a session and files of its own: what its parent has recorded is the parent's
    to write.
    """

    def __init__(
        self,
        folder: Path,
        recording: _native.Recording,
        rows: Rows,
        rotation: Rotation,
        *,
        sample: float,
        pseudonymised: bool,
        listener: Listener | None = None,
    ) -> None:
        self._listener = listener
        self._folder = folder
        self._recording = recording
        self._rows = rows
        self._rotation = rotation
        self._sample = sample
        self._pseudonymised = pseudonymised
        self._names: dict[str, int] = {}
        self._logs: dict[int, CacheLog] = {}
        self._unnamed = 0
        self._closed = False
        self._begin()
        try:
            _probe(folder)
        except OSError as error:
            raise _unwritable(folder, error) from None
        self._start()
        _open.add(self)
        _close_at_exit()

    def _begin(self) -> None:
        """Start a session."""
        self._session = secrets.token_hex(8)
        self._busy = threading.RLock()  # held while files and rows are worked on, and over a fork
        self._commands: queue.SimpleQueue[tuple[bool, threading.Event] | None] = queue.SimpleQueue()
        self._inherited = len(self._recording)  # the parent's, after a fork

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="augury-accesslog", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ called from any thread

    def attach(self, name: str | None) -> tuple[_native.Recording, int]:
        """Return the recording, and the source that a cache of this name is in it."""
        with self._busy:
            if self._closed:
                raise ConfigurationError("record: this Recorder is closed; make another one")
            if name is None:
                self._unnamed += 1
                name = "cache" if self._unnamed == 1 else f"cache-{self._unnamed}"
            if name not in self._names:
                source = self._recording.attach()
                self._logs[source] = self._log_of(name, source)
                self._names[name] = source
            return self._recording, self._names[name]

    def files(self) -> list[CacheLog]:
        """Return the logs of all caches."""
        return list(self._logs.values())

    def flush(self) -> None:
        """Write all that was recorded so far."""
        self._command(stop=False)

    def close(self) -> None:
        """Write all that was recorded so far, and record nothing more."""
        if self._closed:
            return
        self._command(stop=True)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def stop_soon(self) -> None:
        """Close without waiting; safe where the garbage collector calls it."""
        self._commands.put(None)

    def _command(self, *, stop: bool) -> None:
        if self._closed or not self._thread.is_alive():
            return
        done = threading.Event()
        self._commands.put((stop, done))
        # An encoder of a key's type may get here from the thread itself, which cannot wait for it.
        if threading.current_thread() is not self._thread:
            while not done.wait(timeout=0.1) and self._thread.is_alive():
                pass  # it may just have stopped, and then answers nothing

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        pause = _LONGEST_PAUSE
        stop = False
        while not stop:
            try:
                command = self._commands.get(timeout=pause)
            except queue.Empty:
                done = None
            else:
                stop, done = command or (True, None)
            drained = 0
            try:
                with self._busy:
                    if stop:
                        self._closed = True
                        self._recording.close()
                        _open.discard(self)
                    drained = self._drain()
                    for log in self.files():
                        if stop or done is not None or log.file.is_due():
                            log.finish()
            except Exception:  # without memory, say; the next round may have some
                _log.exception("accesses may be missing from the access log")
            if done is not None:
                done.set()
            pause = _next_pause(pause, drained / self._recording.capacity)

    def _drain(self) -> int:
        """Take all that there is now out of the ring; return how many accesses that were."""
        if self._inherited:
            self._recording.drain(self._inherited)
            self._inherited = 0
        left = drained = len(self._recording)
        while left > 0:
            objects, raw = self._recording.drain(min(_BATCH, left))
            accesses: NDArray[np.void] = np.frombuffer(raw, ACCESS)
            if not len(accesses):
                break
            left -= len(accesses)
            width = len(objects) // len(accesses)
            columns = [objects[i::width] for i in range(width)]
            del objects
            for source in np.unique(accesses["source"]).tolist():
                self._append(self._logs[source], columns, accesses, accesses["source"] == source)
        return drained

    def _append(
        self,
        log: CacheLog,
        columns: list[list[object]],
        accesses: NDArray[np.void],
        its: NDArray[np.bool_],
    ) -> None:
        if not its.all():
            at = np.flatnonzero(its).tolist()
            columns = [[column[i] for i in at] for column in columns]
            accesses = accesses[its]
        try:
            batch = self._rows.batch(columns, accesses, log.file.offset())
        except Exception as error:  # no row may be lost uncounted, whatever a key's code does
            _log.warning("cannot make rows of %s accesses: %r", len(accesses), error)
            log.refused += len(accesses)
            return
        log.refused += len(accesses) - len(batch)
        if len(batch):
            log.file.append(batch)
            if self._listener is not None:
                self._tell(self._listener, log.name, batch)

    def _tell(self, listener: Listener, name: str, batch: Any) -> None:
        try:
            if (reads := reads_of(batch)) is not None:
                listener(name, reads)
        except Exception:
            _log.exception("the listener failed, and is told nothing more")
            self._listener = None

    def _log_of(self, name: str, source: int) -> CacheLog:
        describe = Metadata(
            schema=SCHEMA,
            cache=name,
            session=self._session,
            file=0,
            sample=self._sample,
            pseudonymised=self._pseudonymised,
            started=0,
            ended=0,
            offset=0,
            lost=Losses(),
        )
        folder = self._folder / name
        try:
            file = RotatingFile(folder, describe, self._rotation)
        except OSError as error:
            raise _unwritable(folder, error) from None
        return CacheLog(self._recording, source, name, file)

    # ------------------------------------------------------------ fork

    def before_fork(self) -> None:
        """Wait until the thread is between two pieces of work, but not for ever."""
        self._held = self._busy.acquire(timeout=_FORK_WAITS)

    def after_fork_in_parent(self) -> None:
        """Let it go on."""
        if self._held:
            self._busy.release()

    def after_fork_in_child(self) -> None:
        """Begin a session of the child's own."""
        self._begin()
        for name, source in self._names.items():
            try:
                self._logs[source] = self._log_of(name, source)
            except ConfigurationError as error:
                _log.warning("%s", error)
        self._start()


def _next_pause(pause: float, fill: float) -> float:
    if fill > 0.25:
        return max(pause / 4, _SHORTEST_PAUSE)
    return min(pause * 2, _LONGEST_PAUSE) if fill < 0.05 else pause


def _probe(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".{secrets.token_hex(8)}"
    probe.touch()
    probe.unlink()


def _unwritable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{folder}: cannot record there: {error.strerror}; name a folder that can be written to"
    )


# Until they are closed.
_open: set[LogThread] = set()


def _close_all() -> None:
    for each in list(_open):
        each.close()


@cache
def _close_at_exit() -> None:
    # Not by atexit, which the processes that multiprocessing forks do not run.
    from multiprocessing import util

    def register(_: object = None) -> None:
        util.Finalize(None, _close_all, exitpriority=0)

    register()
    util.register_after_fork(_close_all, register)  # for such a process forgets all finalisers


# Held from before a fork until after it, as several threads may fork.
_fork = threading.RLock()
_forking: list[LogThread] = []


def _before_fork() -> None:
    _fork.acquire()
    for each in list(_open):
        each.before_fork()
        _forking.append(each)


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().after_fork_in_parent()
    _fork.release()


def _after_fork_in_child() -> None:
    global _fork  # noqa: PLW0603
    _fork = threading.RLock()
    while _forking:
        _forking.pop().after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
