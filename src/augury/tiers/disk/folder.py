"""The folder of the disk tier: opens its database, sets a damaged one aside, survives forks.

::

    lock            held by whoever opens, closes or sets aside
    users           shared by whoever uses the database; "clean", or the boot it was last used in
    cache-1         of layout 1, moved as a whole
        data.mdb    the database; no process writes to it but with the lock `writer`
        lock.mdb    LMDB's table of readers
        marks       see `disk_marks`
        writer      held during a write transaction, so that waiting for it has an end
    damaged         what was set aside last

LMDB is told not to wait for the disk. When a process is killed the kernel still has all that was
committed; but after a power loss pages may be missing that others point to. So the folder remembers
the boot it is used in, and a database that was not closed before the machine went down is begun
anew.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_digest

from augury._native import RecordReader
from augury.errors import ConfigurationError, TierError
from augury.tiers.disk.damage import (
    MAP_SIZE,
    DamagedError,
    check_header,
    check_length,
    is_damage,
    lmdb,
)
from augury.tiers.disk.fork import wait_for_readers
from augury.tiers.disk.lock import FileLock
from augury.tiers.disk.marks import Marks
from augury.tiers.disk.records import PAGE
from augury.tiers.entry import Entry

_READERS = 4096
_CLEAN = "clean"
_LOOK = 1.0

_log = logging.getLogger("augury.tiers")


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that is open in this process."""

    env: Any
    main: Any
    marks: Marks
    reader: RecordReader
    writer: FileLock
    users: FileLock

    def close(self) -> None:
        """Close it; what refers to it raises `lmdb.Error` from now on."""
        self.env.close()
        self.writer.close()
        self.users.close()


class Folder:
    """One folder, which all tiers of this process that name it share.

    LMDB allows a process to open a database once. `_lock` is held while the database is read, and
    `_write_lock`, which comes first, while it is written; to open or close it takes both.

    Parameters
    ----------
    path
        The folder; it is created when it is first used.
    capacity
        Bytes of the tier that opens it.
    timeout
        Seconds to wait for other processes.
    """

    def __init__(self, path: str, capacity: int, timeout: float) -> None:
        self.path = Path(path)
        self.opened: Opened | None = None
        self.users = 0
        self.lock = threading.RLock()
        self._write_lock = threading.RLock()
        self._look_again = 0.0
        self._capacity = capacity
        self._timeout = timeout

    @classmethod
    def use(cls, path: str, capacity: int, timeout: float) -> Folder:
        """Return the folder of this path; `leave` it when it is no longer used."""
        path = os.path.realpath(path)
        if os.path.exists(path) and not os.path.isdir(path):
            raise ConfigurationError(f"{path} is not a folder")
        with _registering:
            folder = _folders.get(path)
            if folder is None:
                folder = _folders[path] = cls(path, capacity, timeout)
            folder.users += 1
            return folder

    def leave(self) -> None:
        """Close the database if nobody else in this process uses it."""
        with _registering:  # until it is closed, nobody may open it by another `Folder`
            self.users -= 1
            if self.users:
                return
            del _folders[str(self.path)]
            with self._write_lock, self.lock:
                opened, self.opened = self.opened, None
                if opened is not None:
                    self._close_cleanly(opened)

    def _close_cleanly(self, opened: Opened) -> None:
        """Close; whoever is the last to do so waits for the disk, and says that all is there."""
        try:
            with FileLock(str(self.path / "lock"), self._timeout):
                if opened.users.is_current() and opened.users.try_acquire():
                    opened.env.sync(True)
                    _stamp(opened.users, _CLEAN)
        except (OSError, lmdb().Error) as error:
            _log.info("%s was not closed cleanly: %s", self.path, error)
        finally:
            opened.close()

    def open(self) -> Opened:
        """Return the database, opened if need be.

        Raises
        ------
        TierError
            If it cannot be opened: no permission, no space, a read-only disk, or somebody else has
            kept the folder locked.
        """
        opened = self.opened
        if opened is not None and not opened.marks.void:
            return opened
        with self._writing(), self.lock:
            opened = self.opened
            if opened is not None and not opened.marks.void:
                return opened
            if not self.users:
                raise TierError(f"the cache in {self.path} is closed")
            self._drop()
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                with FileLock(str(self.path / "lock"), self._timeout):
                    self.opened = self._open()
            except TierError:
                raise
            except (OSError, lmdb().Error) as error:
                raise TierError(f"cannot use {self.path} as a cache: {_reason(error)}") from error
            return self.opened

    def _open(self) -> Opened:
        users = FileLock(str(self.path / "users"), self._timeout)
        try:
            home = self.path / "cache-1"
            if users.try_acquire():
                before, boot = _stamped(users), _boot()
                if before not in ("", _CLEAN, boot):
                    _log.info("%s was in use when the machine went down: begun anew", self.path)
                    shutil.rmtree(home, ignore_errors=True)
                if before != boot:
                    _stamp(users, boot)
            if not users.try_acquire(shared=True):
                raise TierError(f"another process keeps {users.path} locked")
            try:
                return self._open_database(home, users)
            except (lmdb().Error, DamagedError) as error:
                if not is_damage(error):
                    raise
                self._move_aside(home, _reason(error))
                return self._open_database(home, users)
        except BaseException:
            users.close()
            raise

    def _open_database(self, home: Path, users: FileLock) -> Opened:
        home.mkdir(exist_ok=True)
        check_header(home / "data.mdb")
        # Another process may read it, so it may neither be truncated nor written in place.
        env = lmdb().open(
            str(home),
            map_size=MAP_SIZE,
            max_readers=_READERS,
            sync=False,
            metasync=False,
            readahead=False,
        )
        writer = None
        try:
            env.reader_check()
            if env.stat()["psize"] != PAGE:
                raise DamagedError(f"its pages have {env.stat()['psize']} bytes")
            check_length(home / "data.mdb", env)
            writer = FileLock(str(home / "writer"), self._timeout)
            marks = Marks(str(home / "marks"), self._capacity)
            reader = RecordReader(marks.map, Entry, xxh3_128_digest)
            return Opened(env, env.open_db(), marks, reader, writer, users)
        except BaseException:
            env.close()
            if writer is not None:
                writer.close()
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._write_lock.acquire(timeout=self._timeout):
            raise TierError(f"other threads have kept {self.path} busy for {self._timeout:g} s")
        try:
            yield
        finally:
            self._write_lock.release()

    @contextmanager
    def write(self, most_pages: int) -> Iterator[tuple[Any, Opened]]:
        """Begin a write transaction, which ends with the block: committed, or on errors aborted.

        If the file has more than `most_pages` then, a new one is begun. LMDB uses pages again that
        are free, but a value of several pages needs as many in a row.
        """
        with self._writing():
            opened = self.open()
            opened.writer.acquire()
            try:
                if opened.marks.void or not opened.writer.is_current():
                    # Set aside by another process, or removed by hand: on with the new one.
                    opened.writer.release()
                    self.drop()
                    opened = self.open()
                    opened.writer.acquire()
                with opened.env.begin(write=True, buffers=True) as txn:
                    yield txn, opened
                too_long = opened.env.info()["last_pgno"] > most_pages
            finally:
                if self.opened is opened:
                    opened.writer.release()
            if too_long:
                self.set_aside(opened, "its file has too many holes", keep=False)

    def drop(self) -> None:
        """Close the database without a word, to open it again when it is needed."""
        with self._write_lock, self.lock:
            self._drop()

    def _drop(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()

    def look(self) -> None:
        """Notice, at most once a second, if the folder was removed by hand."""
        if (now := time.monotonic()) < self._look_again:
            return
        self._look_again = now + _LOOK
        opened = self.opened
        if opened is not None and not opened.writer.is_current():
            self.drop()

    def set_aside(self, opened: Opened, reason: str, *, keep: bool = True) -> None:
        """Begin a new database; other processes notice with their next operation.

        Parameters
        ----------
        opened
            The one that is at fault; if it is no longer in use, nothing is done.
        reason
            What the log says.
        keep
            Whether the old one is kept in ``damaged``.
        """
        with self._writing(), self.lock:
            if self.opened is not opened:
                return
            try:
                with FileLock(str(self.path / "lock"), self._timeout), opened.writer:
                    if opened.writer.is_current() and not opened.marks.void:
                        self._move_aside(self.path / "cache-1", reason, keep=keep)
                    opened.marks.set_void()
            except OSError as error:
                raise TierError(f"cannot use {self.path} as a cache: {_reason(error)}") from error
            finally:
                self._drop()

    def _move_aside(self, home: Path, reason: str, *, keep: bool = True) -> None:
        damaged = self.path / "damaged"
        _log.warning("the cache in %s begins anew: %s", self.path, reason)
        if (home / "marks").exists():
            Marks(str(home / "marks"), self._capacity).set_void()
        shutil.rmtree(damaged, ignore_errors=True)
        home.rename(damaged)
        if not keep:
            shutil.rmtree(damaged, ignore_errors=True)

    def free_readers(self) -> None:
        """Take back the places in LMDB's table of readers of processes that were killed."""
        with self.lock:
            if self.opened is not None:
                self.opened.env.reader_check()

    def before_fork(self) -> Opened | None:
        """Wait until no thread reads or writes under a lock, and let nobody begin to."""
        self._write_lock.acquire()
        self.lock.acquire()
        opened, self.opened = self.opened, None
        return opened

    def after_fork_in_parent(self, opened: Opened | None) -> None:
        """Let them go on."""
        self.opened = opened
        self.lock.release()
        self._write_lock.release()

    def after_fork_in_child(self, opened: Opened | None) -> None:
        """Close what the parent has open: LMDB's locks are not inherited."""
        self.lock = threading.RLock()
        self._write_lock = threading.RLock()
        if opened is not None:
            opened.close()


def _boot() -> str:
    """Return what tells this run of the machine from all others, or if that is unknown this run."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return uuid.uuid4().hex


def _stamped(users: FileLock) -> str:
    return os.pread(users.descriptor, 100, 0).decode("ascii", "replace").strip()


def _stamp(users: FileLock, text: str) -> None:
    """Write, and wait until it is on the disk: it must be there before what follows."""
    os.ftruncate(users.descriptor, 0)
    os.pwrite(users.descriptor, text.encode(), 0)
    os.fsync(users.descriptor)


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


_registering = threading.Lock()
_folders: weakref.WeakValueDictionary[str, Folder] = weakref.WeakValueDictionary()
_forking: list[tuple[Folder, Opened | None]] = []


def _before_fork() -> None:
    _registering.acquire()
    for folder in list(_folders.values()):
        _forking.append((folder, folder.before_fork()))
    if _forking:
        wait_for_readers()


def _after_fork_in_parent() -> None:
    for folder, opened in reversed(_forking):
        folder.after_fork_in_parent(opened)
    _forking.clear()
    _registering.release()


def _after_fork_in_child() -> None:
    for folder, opened in _forking:
        folder.after_fork_in_child(opened)
    _forking.clear()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
