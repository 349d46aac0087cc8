"""What processes that share a folder tell each other with a byte: who was read, and what is void.

A file beside the database that every process maps::

    0    1  not 0: the database was set aside, look for the new one
    8    8  the number at which the search for somebody to evict goes on, little-endian
    64      for each number of an entry, modulo how many there is room for: not 0 if it was read

Nothing here has to be right: a lost mark or a mark of another entry makes eviction a little worse.
That is why marking needs no lock and no transaction.
"""

from __future__ import annotations

import mmap
import os

HEAD = 64
"""Where the marks begin."""

_BYTES_AN_ENTRY = 512
_FEWEST, _MOST = 1 << 12, 1 << 24


class Marks:
    """The mapped file.

    Parameters
    ----------
    path
        The file; it is created if it is not there.
    capacity
        Bytes of the tier; decides how many marks there is room for, if the file is new.

    Raises
    ------
    OSError
        If the file cannot be opened, or the disk is full.
    """

    def __init__(self, path: str, capacity: int) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if size <= HEAD:
                marks = min(max(capacity // _BYTES_AN_ENTRY, _FEWEST), _MOST)
                size = HEAD + (1 << (marks - 1).bit_length())
            # A hole in the file would end the process when it is written to on a full disk.
            os.posix_fallocate(descriptor, 0, size)
            self.map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self.room = size - HEAD

    def set(self, record: bytes) -> None:
        """Note that the entry whose record begins with its number was read."""
        self.map[HEAD + int.from_bytes(record[:8], "big") % self.room] = 1

    def clear(self, number: int) -> bool:
        """Forget that this entry was read; return whether it was."""
        at = HEAD + number % self.room
        was = self.map[at] != 0
        self.map[at] = 0
        return was

    @property
    def hand(self) -> int:
        """The number at which the search for somebody to evict goes on."""
        return int.from_bytes(self.map[8:16], "little")

    @hand.setter
    def hand(self, number: int) -> None:
        self.map[8:16] = number.to_bytes(8, "little")

    @property
    def void(self) -> bool:
        """Whether the database was set aside."""
        return self.map[0] != 0

    def set_void(self) -> None:
        """Tell every process that uses the database to look for the new one."""
        self.map[0] = 1
