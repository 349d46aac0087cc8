"""Writes that are done later, in the order in which they came, and seen at once."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from augury.errors import InvalidationError, TierError
from augury.events import Trouble
from augury.forks import renew_in_child
from augury.loading import DEFAULT, Default, Ttl
from augury.sources import may_pass
from augury.tiers.contract import Key
from augury.tiers.levels import Faults
from augury.tiers.ways import BLOCKING, Way, run
from augury.tiers.writing import Writer

_BATCH = 500
_PAUSE = 0.005
_LONGEST_PAUSE = 2.0
_IDLE = 1.0  # seconds without work after which the thread ends


class Write(NamedTuple):
    """What is to become of a key."""

    value: Any
    tags: tuple[str, ...] = ()
    ttl: Ttl | Default = DEFAULT


class Behind:
    """A bounded queue of writes and the thread that does them, many at a time.

    A key has one place in the queue: what is written twice before its turn is written once. What
    cannot be done now is tried again, more and more slowly; what fails for a reason that will not
    pass is dropped, reported, and raised by the next `flush`. A clean stop of the interpreter
    waits until all is written, for so long as `patience` says; a crash loses what is in the queue.

    Parameters
    ----------
    writer
        Does the writes.
    faults
        Where to report.
    most
        How many keys may wait.
    patience
        Seconds that a write waits for room, and an exit of the interpreter for all to be written.
    """

    def __init__(self, writer: Writer, faults: Faults, *, most: int, patience: float) -> None:
        self._writer = writer
        self._faults = faults
        self._most = most
        self._patience = patience
        self.begin_anew()
        renew_in_child(self)
        _all.add(self)
        # Anew, so that it runs before whatever closes what was opened before this: a database.
        atexit.unregister(_finish)
        atexit.register(_finish)

    def begin_anew(self) -> None:
        """Begin with an empty queue: the parent writes what is in its own."""
        self._lock = threading.RLock()
        self._pending: dict[Key, Write] = {}
        self._under_way: dict[Key, Write] = {}
        self._undelivered: dict[Key, None] = {}
        self._errors: list[Exception] = []
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._pending) + len(self._under_way) + len(self._undelivered)

    def see(self, keys: Iterable[Key]) -> dict[Key, Write]:
        """Return what is to be written under these keys."""
        with self._lock:  # what failed goes back from one to the other
            if not self._pending and not self._under_way:
                return {}
            return {
                key: write
                for key in keys
                if (write := self._pending.get(key) or self._under_way.get(key)) is not None
            }

    def before(self, copy: Callable[[Key], Any]) -> Callable[[Key], Any]:
        """Return a function that returns copies, but of keys that are to be written."""
        return lambda key: None if self.see((key,)) else copy(key)

    async def put(self, way: Way, writes: Mapping[Key, Write]) -> None:
        """Have values written.

        Raises
        ------
        TierError
            If there was no room for too long; nothing of it is written then.
        """
        deadline = time.monotonic() + self._patience
        while not self._try_to_put(writes):
            if time.monotonic() >= deadline:
                raise TierError(
                    f"{self._most} writes wait to be done, and there is no room for more; "
                    "is the source, or the last tier, down?"
                )
            await way.sleep(_PAUSE)

    def _try_to_put(self, writes: Mapping[Key, Write]) -> bool:
        with self._lock:
            if self._closed:
                raise TierError("these tiers are closed")
            new = sum(key not in self._pending for key in writes)
            if len(self) and len(self) + new > self._most:
                return False
            for key, write in writes.items():
                self._pending.pop(key, None)
                self._pending[key] = write
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="augury-write-behind", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return True

    async def settle(self, way: Way, keys: Collection[Key]) -> None:
        """Take keys out of the queue, and wait for what is being done about them."""
        while True:
            with self._lock:  # what was under way comes back to the queue if it failed
                for key in keys:
                    self._pending.pop(key, None)
                if not any(key in self._under_way for key in keys):
                    return
            await way.sleep(_PAUSE)

    async def settle_tagged(self, way: Way, names: Collection[str]) -> None:
        """Settle what has one of these tags; "" is the one that everything has."""
        with self._lock:
            keys = [
                key
                for key, write in (*self._pending.items(), *self._under_way.items())
                if "" in names or not set(names).isdisjoint(write.tags)
            ]
        await self.settle(way, keys)

    def _run(self) -> None:
        pause = _PAUSE
        while True:
            with self._lock:
                while not self._pending and not self._undelivered:
                    # A thread that waits for ever would keep these tiers for ever.
                    idle = self._closed or not self._changed.wait(_IDLE)
                    if idle and not self._pending:
                        self._thread = None
                        return
                self._take_batch()
            failed = self._write(self._under_way)
            late = not self._invalidate()
            with self._lock:
                for key, write in failed.items():
                    self._pending.setdefault(key, write)
                self._under_way = {}
                self._changed.notify_all()
                if failed or late:
                    self._changed.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE) if failed or late else _PAUSE

    def _take_batch(self) -> None:
        """Take the writes that may be done together: a row of equal ttl."""
        first = next(iter(self._pending.values()), None)
        for key, write in self._pending.items():
            if first is None or write.ttl != first.ttl:
                break
            self._under_way[key] = write
            if len(self._under_way) >= _BATCH:
                break
        for key in self._under_way:
            del self._pending[key]

    def _write(self, writes: Mapping[Key, Write]) -> dict[Key, Write]:
        """Do writes with the same ttl; return those to be tried again."""
        if not writes:
            return {}
        first = next(iter(writes.values()))
        try:
            values = {key: write.value for key, write in writes.items()}
            tags = {key: write.tags for key, write in writes.items()}
            if not run(self._writer.store(BLOCKING, values, tags.__getitem__, first.ttl)):
                return dict(writes)
        except InvalidationError as error:  # the source has it: others may write it from now on
            self._faults.report(Trouble.UNAVAILABLE, "write-behind", error)
            self._undelivered |= dict.fromkeys(writes)
        except BaseException as error:  # the thread goes on, whatever a source raises
            if isinstance(error, TierError) or may_pass(error):
                self._faults.report(Trouble.UNAVAILABLE, "write-behind", error)
                return dict(writes)
            if len(writes) > 1:  # find out which of them it is, and do the others
                failed: dict[Key, Write] = {}
                for key, write in writes.items():
                    failed |= self._write({key: write})
                return failed
            self._faults.report(Trouble.DROPPED, "write-behind", error)
            if not isinstance(error, Exception):  # it must not end whoever calls `flush`
                error = RuntimeError(f"a write raised {error!r}")
            self._errors.append(error)
        return {}

    def _invalidate(self) -> bool:
        """Drop what the last tier may still have of keys that were written; return whether done."""
        keys = list(self._undelivered)
        try:
            run(self._writer.invalidate(BLOCKING, keys))
        except TierError as error:
            self._faults.report(Trouble.UNAVAILABLE, "write-behind", error)
            return False
        with self._lock:
            for key in keys:
                del self._undelivered[key]
        return True

    async def flush(self, way: Way, seconds: float = float("inf")) -> None:
        """Wait until all is written.

        Raises
        ------
        TierError
            If it is not within so many seconds.
        Exception
            What made a write fail for good since the last flush.
        """
        deadline = time.monotonic() + seconds
        while len(self):
            if time.monotonic() >= deadline:
                raise TierError(f"{len(self)} writes are not done yet; they are still tried")
            await way.sleep(_PAUSE)
        with self._lock:
            errors, self._errors = self._errors, []
        if errors:
            raise errors[0]

    async def close(self, way: Way) -> None:
        """Write what waits, and stop; what `flush` raises is raised after that."""
        try:
            await self.flush(way, self._patience)
        finally:
            with self._lock:
                self._closed = True
                self._changed.notify_all()


_all: weakref.WeakSet[Behind] = weakref.WeakSet()


def _finish() -> None:
    for behind in [each for each in _all if len(each)]:
        try:
            run(behind.flush(BLOCKING, behind._patience))
        except Exception as error:
            behind._faults.report(Trouble.DROPPED, "write-behind", error)
