"""A lock among processes: it ends with whoever holds it, and waiting for it has an end."""

from __future__ import annotations

import os
import time
from types import TracebackType

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows, which Augury does not support)
    fcntl = None  # type: ignore[assignment]

from augury.errors import TierError

_SHORTEST, _LONGEST = 50e-6, 5e-3


class FileLock:
    """A file that one process at a time has to itself, or several share.

    The kernel frees it when its holder dies. A forked process must not use it: both would have it.

    Parameters
    ----------
    path
        The file; it is created if it is not there.
    timeout
        Seconds that `acquire` waits.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    descriptor = -1

    def __init__(self, path: str, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if that needs no waiting; return whether it is held now."""
        way = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.descriptor, way | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Wait for the lock; raise `TierError` if that takes longer than the time-out.

        It asks again and again, because a thread that waits in the kernel cannot be told to stop.
        """
        if self.try_acquire():
            return
        until, pause = time.monotonic() + self.timeout, _SHORTEST
        while not self.try_acquire():
            if time.monotonic() > until:
                raise TierError(
                    f"another process has kept {self.path} locked for {self.timeout:g} s; "
                    "is it stopped?"
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)

    def release(self) -> None:
        """Give the lock back."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def is_current(self) -> bool:
        """Return whether the path still leads to this file."""
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        mine = os.fstat(self.descriptor)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def close(self) -> None:
        """Close the file, which gives the lock back unless a forked process has the file, too."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)

    __del__ = close

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
