"""The records of the disk tier within one transaction, and who of them leaves.

One LMDB database holds three kinds of them, since a second one would cost each read another search.
A number is given to a key when it is first stored; numbers and times are eight bytes, big-endian,
so that LMDB keeps them in order::

    00 or 01 ...           the name of a key   -> number, frame
    FE, time, number       when it expires     -> name
    FF, number             who came when       -> name

Eviction is SIEVE: a hand goes from the oldest entry to the newest and on again from the oldest,
spares who was read since it last came by, and evicts who was not. Unlike LRU it writes nothing when
an entry is read, but for one byte in `Marks`, and moves nothing when it is spared.

References
----------
Zhang et al., *SIEVE is Simpler than LRU*, NSDI 2024.
"""

from __future__ import annotations

import mmap
import time
from typing import Any

from augury.tiers.disk.marks import Marks
from augury.tiers.frame import deadline

PAGE = mmap.PAGESIZE
"""Bytes of a page of LMDB; `Folder` refuses databases with others."""

NUMBER = 8
"""Bytes of the number at the beginning of a record."""

_SPARED = 64
"""How many entries that were read the hand passes before it evicts one nevertheless."""
_REAPED = 32
"""How many expired entries one transaction removes unasked."""
_ROUND = 16
"""Evictions between two looks at how many pages are used."""
_PAGES_A_WRITE = 12
"""Pages that one entry may add besides its own, by splits of the tree in three places."""
_EXPIRY, _QUEUE = b"\xfe", b"\xff"


class Records:
    """A write transaction.

    Parameters
    ----------
    txn
        LMDB's transaction, of buffers.
    main
        LMDB's handle of the database.
    marks
        Who was read.
    capacity
        How many pages the database may have.
    """

    def __init__(self, txn: Any, main: Any, marks: Marks, capacity: int) -> None:
        self._txn = txn
        self._main = main
        self._marks = marks
        self._capacity = capacity
        # Somewhat before the end, so that single writes never have to make much room.
        self._enough = capacity - max(capacity // 64, 2 * _PAGES_A_WRITE)
        self._free = -1
        self._next = -1

    def get(self, name: bytes) -> bytes | None:
        """Return the frame that is stored under a name."""
        found = self._txn.get(name)
        return None if found is None else bytes(found[NUMBER:])

    def put(self, name: bytes, frame: bytes) -> None:
        """Store a frame, or forget what is there if there is no room for it."""
        pages = _PAGES_A_WRITE + (NUMBER + len(frame)) // PAGE + 1
        if not self._make_room(pages):
            self.delete(name)
            return
        self._free -= pages
        expires = deadline(frame)
        found = self._txn.get(name)
        if found is None:
            number = self._new_number()
            self._txn.put(_QUEUE + number, name, append=True)
            before = 0
        else:
            number, before = bytes(found[:NUMBER]), deadline(found[NUMBER:])
        if before != expires:
            if before:
                self._txn.delete(_moment(before) + number)
            if expires:
                self._txn.put(_moment(expires) + number, name)
        self._txn.put(name, number + frame)

    def delete(self, name: bytes) -> None:
        """Remove what is stored under a name."""
        found = self._txn.get(name)
        if found is None:
            return
        number, expires = bytes(found[:NUMBER]), deadline(found[NUMBER:])
        if expires:
            self._txn.delete(_moment(expires) + number)
        self._txn.delete(_QUEUE + number)
        self._txn.delete(name)

    def clear(self) -> None:
        """Remove everything."""
        self._txn.drop(self._main, delete=False)
        self._marks.hand = 0

    def reap(self, most: int = _REAPED) -> bool:
        """Remove what has expired, up to some; return whether there may be more."""
        now = _moment(int(time.time() * 1e6))
        for _ in range(most):
            with self._txn.cursor() as cursor:
                if not cursor.set_range(_EXPIRY) or (moment := bytes(cursor.key())) > now:
                    return False
                name = bytes(cursor.value())
            found = self._txn.get(name)
            if found is not None and bytes(found[:NUMBER]) == moment[-NUMBER:]:
                self.delete(name)
            # Left over, if damage elsewhere has made its entry unknown.
            self._txn.delete(moment)
        return True

    def pages(self) -> int:
        """Return how many pages the database has."""
        stat = self._txn.stat(self._main)
        return int(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"])

    def _new_number(self) -> bytes:
        if self._next < 0:
            with self._txn.cursor() as cursor:
                last = bytes(cursor.key()) if cursor.last() else b""
            self._next = int.from_bytes(last[1:], "big") + 1 if last[:1] == _QUEUE else 1
        number = self._next
        self._next += 1
        self._marks.clear(number)
        return number.to_bytes(NUMBER, "big")

    def _make_room(self, pages: int) -> bool:
        """Evict until the database can grow by so many pages; return whether they can.

        A page is only free once all that was in it has left, so this may need more than one round.
        Rounds are counted: what one write may bring bounds how long it takes.
        """
        if self._free >= pages:
            return True
        for _ in range(2 + pages):
            self._free = self._enough - self.pages()
            if self._free >= pages:
                return True
            if not (self.reap(_ROUND) or self._evict(_ROUND)):
                break
        self._free = self._capacity - self.pages()
        return self._free >= pages

    def _evict(self, count: int) -> bool:
        """Evict so many entries; return whether there were any."""
        victims: list[bytes] = []
        with self._txn.cursor() as cursor:
            there = cursor.set_range(_QUEUE + self._marks.hand.to_bytes(NUMBER, "big"))
            for _ in range(count):
                spared = 0
                while True:
                    if not there and not cursor.set_range(_QUEUE):
                        break
                    there = True
                    if spared == _SPARED or not self._marks.clear(_number(cursor)):
                        break
                    spared += 1
                    there = cursor.next()
                if not there:
                    break
                victims.append(bytes(cursor.value()))
                cursor.delete()
                there = bool(cursor.key())
            self._marks.hand = _number(cursor) if there else 0
        for name in victims:
            self.delete(name)
        return bool(victims)


def _number(cursor: Any) -> int:
    return int.from_bytes(cursor.key()[1:], "big")


def _moment(microseconds: int) -> bytes:
    return _EXPIRY + microseconds.to_bytes(8, "big")
