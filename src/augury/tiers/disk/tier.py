"""The tier on disk: an LMDB database that the processes of a machine share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

from augury.codecs import Serializer
from augury.errors import ConfigurationError, CorruptValueError, TierError
from augury.keys import encode
from augury.parameters import check_instance, check_number
from augury.simulation import capacity_of
from augury.tiers.contract import Health, Key, Tier
from augury.tiers.disk.damage import is_damage, lmdb
from augury.tiers.disk.folder import Folder, Opened
from augury.tiers.disk.fork import reads_without_lock
from augury.tiers.disk.records import NUMBER, PAGE, Records
from augury.tiers.entry import Entry, Held, Lease, is_live
from augury.tiers.frame import address, is_lease, pack, unpack_live, version

T = TypeVar("T")

_LONGEST_NAME = 480
_SMALLEST = 1 << 20
_LARGEST = 1 << 38
_SHARE = 16
"""A value may take one part in so many of the capacity."""
_BATCH = 128
_BATCH_BYTES = 1 << 20
_INLINE = 64
"""How many keys a coroutine looks up without a thread: some microseconds each."""
_SIMPLE = 1 << 16
"""Bytes of a value that `RecordReader` may read."""

Item = tuple[Key, bytes, bytes]
"""A key, its name, and the frame to store or nothing."""


class Disk(Tier):
    """Entries in a folder, which any number of processes and threads use at once.

    What is evicted is decided by SIEVE, expired entries first. A process that is killed at any
    moment leaves everything whole, and what it had written stays; after a power loss, or a reboot
    without `close`, the folder begins empty. docs/disk.md says more.

    Parameters
    ----------
    folder
        Where it lives: on a local disk, not on a network's. It is created when it is first used.
    capacity
        What keys, values and index may take, in bytes, counted as pages of LMDB: a number, or text
        such as ``"64MiB"``; between 1 MiB and 256 GiB. The files stay below twice this and 32 MiB,
        but for what a single write changes. An entry above a sixteenth is not kept.
    serializer
        How values become bytes; by default ``Serializer()``.
    name
        What reports call it.
    timeout
        Seconds that a write waits for a writer in another process, which may be stopped, before it
        raises `TierError`. Reads never wait for writers.

    Raises
    ------
    ConfigurationError
        If the capacity is out of range, or there is a file where the folder should be.
    MissingExtraError
        If the package ``lmdb`` is not installed.

    References
    ----------
    LMDB, http://www.lmdb.tech/doc/

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tier = Disk(folder, "64MiB")
    ...     tier.set_many({"a": Entry([1, 2])})
    ...     print(tier.get_many(["a", "b"])["a"].value)
    ...     tier.close()
    [1, 2]
    """

    shared = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        capacity: int | str = "1GiB",
        *,
        serializer: Serializer | None = None,
        name: str = "disk",
        timeout: float = 1.0,
    ) -> None:
        check_instance("name", name, str)
        if serializer is not None:
            check_instance("serializer", serializer, Serializer)
        check_number("timeout", timeout)
        if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
            raise ConfigurationError(f"folder must be a path, not {folder!r}")
        self.name = name
        size = _bytes(capacity)
        self._lmdb = lmdb()
        self._serializer = serializer or Serializer()
        self._pages = size // PAGE
        self._longest = size // _SHARE
        self._file_pages = (2 * size + (16 << 20)) // PAGE - self._longest // PAGE
        self._folder = Folder.use(os.fspath(folder), size, timeout)
        self._closed = False
        self._simple = self._serializer.reads_plain(_SIMPLE)

    def __repr__(self) -> str:
        return f"Disk({str(self._folder.path)!r}, {self._pages * PAGE})"

    def get(self, key: Key) -> Held | None:
        """Return what is held under a key, or None; as `get_many`, for less."""
        if self._simple and (opened := self._folder.opened) is not None:
            name = opened.reader.name(key)
            if name is not None:
                try:
                    record = opened.env.begin().get(name)
                except self._lmdb.Error:
                    pass  # `_get_many` finds out, and knows what to do
                else:
                    if record is None:
                        return None
                    entry: Entry | None = opened.reader.read(record, name)
                    if entry is not None:
                        return entry
        return self._get_many((key,)).get(key)

    def get_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Return what is held under these keys."""
        if len(keys) == 1:
            (key,) = keys
            held = self.get(key)
            return {} if held is None else {key: held}
        return self._get_many(keys)

    def _get_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        opened, found = self._try(lambda opened: self._read(opened, keys))
        read = opened.reader.read if self._simple else _nothing
        live: dict[Key, Held] = {}
        for key, name, record in found:
            held: Held | None = read(record, name)
            if held is None:
                opened.marks.set(record)
                held = unpack_live(name, record[NUMBER:], self._serializer, self.on_corrupt)
            if held is not None:
                live[key] = held
        return live

    def _read(self, opened: Opened, keys: Collection[Key]) -> list[Item]:
        """Return the records that are there."""
        name_if_simple = opened.reader.name
        names = [(key, name_if_simple(key) or name_of(key)) for key in keys]
        found = []
        for start in range(0, len(names), _BATCH):  # an old transaction keeps old pages in use
            with self._folder.lock, opened.env.begin() as txn:
                for key, name in names[start : start + _BATCH]:
                    record = txn.get(name)
                    if record is not None:
                        found.append((key, name, record))
        return found

    def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Store entries, in place of whatever is there."""
        self._write(self._put, self._items(entries))

    def delete_many(self, keys: Collection[Key]) -> None:
        """Remove whatever is held under these keys."""
        self._write(lambda records, item: records.delete(item[1]), _bare(keys))

    def lease_many(self, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Place a lease on keys; return what stands in its way."""
        corrupt: list[CorruptValueError] = []

        def place(records: Records, item: Item) -> Held | None:
            _, name, frame = item
            there = records.get(name)
            held = there and unpack_live(name, there, self._serializer, corrupt.append)
            if not held or (lease.writes and not (isinstance(held, Lease) and held.writes)):
                records.put(name, frame)
                return None
            return held

        items = [(key, name, pack(name, lease, self._serializer)) for key, name, _ in _bare(keys)]
        placed = self._write(place, items)
        for error in corrupt:
            self.on_corrupt(error)
        return {key: held for (key, _, _), held in zip(items, placed, strict=True) if held}

    def fill_many(self, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries, each only if its key still has this lease; return the keys stored."""
        return self._store_where(entries, lambda _, there: is_lease(there, lease))

    def replace_many(self, entries: Mapping[Key, Entry], versions: Mapping[Key, bytes]) -> set[Key]:
        """Store entries, each only if its key still holds the entry of this version."""
        return self._store_where(entries, lambda key, there: version(there) == versions[key])

    def _store_where(
        self, entries: Mapping[Key, Entry], fits: Callable[[Key, bytes], bool]
    ) -> set[Key]:
        def store(records: Records, item: Item) -> bool:
            there = records.get(item[1])
            if there is None or not fits(item[0], there):
                return False
            self._put(records, item)
            return True

        items = self._items(entries)
        stored = self._write(store, items)
        return {key for (key, _, _), done in zip(items, stored, strict=True) if done}

    def release_many(self, keys: Collection[Key], lease: Lease) -> None:
        """Remove the lease from keys that still have it."""

        def release(records: Records, item: Item) -> None:
            there = records.get(item[1])
            if there is not None and is_lease(there, lease):
                records.delete(item[1])

        self._write(release, _bare(keys))

    def _items(self, entries: Mapping[Key, Entry]) -> list[Item]:
        """Return entries with their frames, before anything is stored."""
        now = time.time()
        items = []
        for key, entry in entries.items():
            name = name_of(key)
            frame = pack(name, entry, self._serializer)
            keep = is_live(entry, now) and len(frame) <= self._longest
            items.append((key, name, frame if keep else b""))
        return items

    def _put(self, records: Records, item: Item) -> None:
        """Store a frame, or remove what it replaces if it is not one to keep."""
        _, name, frame = item
        if frame:
            records.put(name, frame)
        else:
            records.delete(name)

    def _write(self, job: Callable[[Records, Item], T], items: list[Item]) -> list[T]:
        """Do a job for each item; return what it returned."""
        results: list[T] = []
        for batch in _batches(items):
            results += self._try(partial(self._transact, job, batch))[1]
        return results

    def _try(self, work: Callable[[Opened], T]) -> tuple[Opened, T]:
        """Work with the database, and once more if what went wrong could be mended."""
        for again in (True, False):
            opened = self._opened()
            try:
                return opened, work(opened)
            except self._lmdb.Error as error:
                if not (again and self._mend(opened, error)):
                    text = " ".join(str(error).split())
                    raise TierError(f"tier {self.name!r} in {self._folder.path}: {text}") from error
        raise AssertionError("two attempts end in a result or an error")

    def _transact(
        self, job: Callable[[Records, Item], T], batch: list[Item], _opened: Opened
    ) -> list[T]:
        with self._folder.write(self._file_pages) as (txn, opened):
            records = Records(txn, opened.main, opened.marks, self._pages)
            records.reap()
            return [job(records, item) for item in batch]

    def _opened(self) -> Opened:
        """Return the database, unless the tier is closed."""
        if self._closed:
            raise TierError(f"tier {self.name!r} is closed")
        self._folder.look()
        return self._folder.open()

    def _mend(self, opened: Opened, error: Exception) -> bool:
        """Do something about an error; return whether it makes sense to try again."""
        if is_damage(error):
            self.on_corrupt(CorruptValueError(f"{self._folder.path} is damaged: {error}"))
            self._folder.set_aside(opened, f"it is damaged: {error}")
        elif isinstance(error, self._lmdb.ReadersFullError):
            self._folder.free_readers()
        elif isinstance(error, self._lmdb.PanicError):
            self._folder.drop()
        else:
            return self._folder.opened is not opened  # closed or set aside meanwhile
        return True

    def clear(self) -> None:
        """Remove everything."""
        self._write(lambda records, _: records.clear(), [("", b"", b"")])

    def health(self) -> Health:
        """Count the pages, as proof that they can be read."""
        start = time.perf_counter()
        try:
            pages = self._count()
        except TierError as error:
            return Health(up=False, reason=str(error), seconds=time.perf_counter() - start)
        return Health(up=True, seconds=time.perf_counter() - start, bytes=pages * PAGE)

    def _count(self) -> int:
        def count(opened: Opened) -> int:
            with self._folder.lock, opened.env.begin() as txn:
                return Records(txn, opened.main, opened.marks, self._pages).pages()

        return self._try(count)[1]

    def close(self) -> None:
        """Close the database, if no other tier of this process uses the folder."""
        if not self._closed:
            self._closed = True
            self._simple = False
            self._folder.leave()

    async def aget_many(self, keys: Collection[Key]) -> dict[Key, Held]:
        """Do what `get_many` does.

        Few keys need no thread, which would cost more than they do: LMDB reads memory, and what is
        not in memory is a read of one page of a local disk. Many keys, and what may have to wait
        for another process to open the folder, do need one.
        """
        if len(keys) <= _INLINE and self._folder.opened is not None:
            return self.get_many(keys)
        return await asyncio.to_thread(self.get_many, keys)


reads_without_lock(Disk.get.__code__, but=Disk._get_many.__code__)


def name_of(key: Key) -> bytes:
    """Return what stands for a key here: its encoding or, if that is long, a digest."""
    encoded = encode(key)
    return encoded if len(encoded) <= _LONGEST_NAME else b"\0" + address(key)


def _nothing(_record: bytes, _name: bytes) -> None:
    """Leave a record to `unpack_live`."""


def _bare(keys: Collection[Key]) -> list[Item]:
    return [(key, name_of(key), b"") for key in keys]


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    """Part what would keep other writers waiting, and LMDB's changed pages in memory."""
    start = size = 0
    for end, (_, name, frame) in enumerate(items):
        size += len(name) + len(frame)
        if end - start >= _BATCH or (size > _BATCH_BYTES and end > start):
            yield items[start:end]
            start, size = end, len(name) + len(frame)
    if start < len(items):
        yield items[start:]


def _bytes(capacity: int | str) -> int:
    size = capacity_of(capacity, 0, by_bytes=True)
    if not _SMALLEST <= size <= _LARGEST:
        raise ConfigurationError(f"capacity {capacity!r} is not between 1MiB and 256GiB")
    return size
