"""Entries and leases as bytes, the same in every tier outside the process.

A frame is a header, the tags, and the value as a `Serializer` writes it::

    0   2  b"Au"
    2   1  version of this format
    3   1  kind: V a value, N nothing in the source, R a loader's lease, W a writer's
    4  16  version of the entry, or token of the lease
    20  8  written, in microseconds since 1970
    28  8  fresh until, or 0 for ever
    36  8  expires (an entry, or 0 for ever; a lease: until)
    44  4  cost, in microseconds
    48  4  bytes of tags: MessagePack of [[name, generation], ...]

All numbers are little-endian. The value is bound to everything before it and to the key: bytes
that are damaged, or were stored under another key, cannot be read.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import msgspec

from augury.codecs import Serializer
from augury.errors import CorruptValueError, KeyEncodingError
from augury.keys import digest
from augury.tiers.contract import Key
from augury.tiers.entry import ABSENT, Entry, Held, Lease, is_live

HEADER = struct.Struct("<2sBc16sQQQII")
VERSION_END = 20
"""Where the version or token ends."""

_MAGIC = b"Au"
_FORMAT = 1
_FOREVER = float("inf")
AS_GOOD_AS_FOREVER = 2**63 / 1e6
"""Seconds since 1970 that have no place in a header: some 292,000 years."""
_MOST_MICROSECONDS = 2**32 - 1

_tags_of = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode
_encode = msgspec.msgpack.Encoder().encode


def address(key: Key) -> bytes:
    """Return 32 bytes that stand for a key everywhere.

    Tiers find it by the first 16; all 32 are bound to the value.
    """
    try:
        return digest(key, size=32)
    except KeyEncodingError as error:  # of the pair of namespace and key
        raise KeyEncodingError(str(error).replace("value[1]", "key", 1)) from None


def pack(address: bytes, held: Held, serializer: Serializer) -> bytes:
    """Return the frame of an entry or a lease that is stored under the key with this address.

    Raises
    ------
    CodecError
        If no codec takes the value.
    """
    if isinstance(held, Lease):
        kind = b"W" if held.writes else b"R"
        return HEADER.pack(_MAGIC, _FORMAT, kind, held.token, 0, 0, _ticks(held.until), 0, 0)
    absent = held.value is ABSENT
    tags = _encode(held.tags) if held.tags else b""
    head = HEADER.pack(
        _MAGIC,
        _FORMAT,
        b"N" if absent else b"V",
        held.version,
        max(0, round(held.written * 1e6)),
        _ticks(held.fresh_until),
        _ticks(held.expires),
        min(int(held.cost * 1e6), _MOST_MICROSECONDS),
        len(tags),
    )
    start = head + tags
    return start + serializer.dumps(None if absent else held.value, start + address)


def unpack(address: bytes, frame: bytes, serializer: Serializer) -> Held:
    """Return what `pack` was given.

    Raises
    ------
    CorruptValueError
        If the frame is not whole, not of this key, or not Augury's.
    """
    try:
        fields = HEADER.unpack_from(frame)
    except struct.error:
        raise CorruptValueError(f"{len(frame)} bytes are too few for an entry") from None
    magic, form, kind, version, written, fresh_until, expires, cost, tag_bytes = fields
    if magic != _MAGIC or form != _FORMAT:
        raise CorruptValueError("these bytes are no entry of this version of Augury")
    if kind in (b"R", b"W"):
        if len(frame) != HEADER.size or tag_bytes or cost or written or fresh_until:
            raise CorruptValueError("a lease is damaged")
        return Lease(_seconds(expires), kind == b"W", version)
    if kind not in (b"V", b"N"):
        raise CorruptValueError(f"an entry has the unknown kind {kind!r}")
    end = HEADER.size + tag_bytes
    value = serializer.loads(memoryview(frame)[end:], frame[:end] + address)
    try:
        tags = _tags_of(frame[HEADER.size : end]) if tag_bytes else ()
    except msgspec.DecodeError:
        raise CorruptValueError("the tags of an entry are damaged") from None
    return Entry(
        ABSENT if kind == b"N" else value,
        version,
        written / 1e6,
        _seconds(fresh_until),
        _seconds(expires),
        cost / 1e6,
        tags,
    )


def unpack_live(
    address: bytes,
    frame: bytes,
    serializer: Serializer,
    on_corrupt: Callable[[CorruptValueError], object],
) -> Held | None:
    """Return what `unpack` does, but None for what has expired or, once told, is corrupt."""
    try:
        held = unpack(address, frame, serializer)
    except CorruptValueError as error:
        on_corrupt(error)
        return None
    return held if is_live(held, time.time()) else None


def deadline(frame: bytes | memoryview) -> int:
    """Return when a frame expires, in microseconds since 1970; 0 for never, or if it is damaged."""
    return int.from_bytes(frame[36:44], "little")


def is_lease(head: bytes, lease: Lease) -> bool:
    """Return whether this is the header of a lease's frame, and the lease still holds."""
    if head[3:4] not in (b"R", b"W") or head[4:VERSION_END] != lease.token:
        return False
    return not (until := deadline(head)) or time.time() * 1e6 < until


def version(head: bytes) -> bytes | None:
    """Return the version of an entry that may still be served, of whose frame this is the header.

    None, if it is something else. Nothing tells whether the rest of the frame is whole.
    """
    try:
        magic, form, kind, version, _, _, expires, _, _ = HEADER.unpack_from(head)
    except struct.error:
        return None
    if magic != _MAGIC or form != _FORMAT or kind not in (b"V", b"N"):
        return None
    return version if time.time() < _seconds(expires) else None


def _ticks(seconds: float) -> int:
    return 0 if seconds >= AS_GOOD_AS_FOREVER else max(1, round(seconds * 1e6))


def _seconds(ticks: int) -> float:
    return ticks / 1e6 if ticks else _FOREVER
