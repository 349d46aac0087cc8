"""A sample of the keys that a server holds, taken in small bites with pauses between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from augury.advice.redis.server import Server, within

_BITE = 20  # keys at once: what is sent and answered counts as the server's memory, too
_PAUSE = 1.0  # times as long as the server took, so that others have half of it at least
_LONGEST_PAUSE = 0.1
_IN_VAIN = 10_000  # bites without a key: parts of a table may be empty, but not so many
_SAMPLES = 5  # of a large value's elements, by which MEMORY USAGE estimates it


@dataclass(frozen=True, slots=True)
class HeldKey:
    """What a server says of a key. Asking leaves no trace in what it evicts."""

    key: bytes
    bytes: int
    """By MEMORY USAGE."""
    type: str
    ttl: float | None
    """Seconds that remain; None: for ever."""
    idle: float | None
    """Seconds since it was used; None if the server counts how often instead."""
    frequency: int | None
    """The logarithmic counter of LFU; None if the server keeps times instead."""


def scan(
    server: Server,
    most: int,
    *,
    progress: Callable[[float], object] | None = None,
) -> list[HeldKey]:
    """Look at keys in the order of SCAN, which is that of their hashes: a sample.

    Parameters
    ----------
    most
        Keys to look at.

    Raises
    ------
    SourceError
        If the server goes away, or refuses SCAN.
    """
    found: dict[bytes, HeldKey] = {}
    cursor = b"0"
    in_vain = 0
    while len(found) < most:
        begun = time.monotonic()
        with server.understood():
            cursor, keys = server.ask("SCAN", cursor, "COUNT", _BITE)
            new = [bytes(memoryview(key)) for key in keys if key not in found]
        in_vain = 0 if new else in_vain + 1
        for held in look(server, new):
            found[held.key] = held
        if progress is not None:
            progress(len(found) / most)
        if cursor in {b"0", 0} or in_vain == _IN_VAIN:
            break
        _pause(begun)
    return list(found.values())[:most]


def look(server: Server, keys: Iterable[bytes]) -> list[HeldKey]:
    """Look at these keys; those that are not there are left out."""
    wanted = list(keys)
    held = []
    for at in range(0, len(wanted), _BITE):
        begun = time.monotonic()
        bite = wanted[at : at + _BITE]
        replies = server.ask_many([question for key in bite for question in _questions(key)])
        held += [
            each
            for index, key in enumerate(bite)
            if (each := _held(key, replies[5 * index : 5 * index + 5])) is not None
        ]
        if at + _BITE < len(wanted):
            _pause(begun)
    return held


def _questions(key: bytes) -> list[tuple[str | bytes | int, ...]]:
    return [
        ("MEMORY", "USAGE", key, "SAMPLES", _SAMPLES),
        ("TYPE", key),
        ("PTTL", key),
        ("OBJECT", "IDLETIME", key),
        ("OBJECT", "FREQ", key),
    ]


def _held(key: bytes, replies: list[object]) -> HeldKey | None:
    size, kind, ttl, idle, frequency = replies
    if not isinstance(size, int) or not isinstance(kind, bytes | str):
        return None  # it is gone
    return HeldKey(
        key=key,
        bytes=within(size),
        type=kind.decode("ascii", "replace") if isinstance(kind, bytes) else kind,
        ttl=within(ttl) / 1000 if isinstance(ttl, int) and ttl >= 0 else None,
        idle=float(within(idle)) if isinstance(idle, int) else None,
        frequency=within(frequency) if isinstance(frequency, int) else None,
    )


def _pause(begun: float) -> None:
    time.sleep(min((time.monotonic() - begun) * _PAUSE, _LONGEST_PAUSE))
