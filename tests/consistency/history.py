"""Records what concurrent processes do to keys, and decides whether a promise was kept.

Every value that is written is unique, so that a read says which write it saw. Two questions are
answered, key by key:

- `linearizable`: is there one order of all operations, in keeping with real time, in which each
  read returns what was written last? Searched for as by Wing and Gong, with the memory of visited
  states of Lowe.
- `staleness`: for how long, before a read began, had what it returned surely been replaced? Zero
  means that no read was stale; a bound of it is what ``ttl`` and ``tracked`` promise.

References
----------
Wing & Gong, *Testing and verifying concurrent objects*, JPDC 1993. Lowe, *Testing for
linearizability*, Concurrency and Computation 2017.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

NEVER = 2**63
"""When an operation ended whose process was killed, or of which nobody knows what it did."""


class Operation(NamedTuple):
    """What a process did to a key; times are those of `time.monotonic_ns` of this machine."""

    kind: Literal["read", "write"]
    key: str
    value: str | None
    """What was read or written; None is nothing, so that to write it is to delete."""
    begin: int
    end: int = NEVER
    process: int = 0
    how: str = ""
    """What was called, for whoever looks into it."""


class Recorder:
    """Appends operations to a file; what was begun and never ended is in it, too."""

    def __init__(self, path: Path, process: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._process = process

    @contextmanager
    def write(self, values: dict[str, str | None], how: str = "") -> Iterator[None]:
        """Record a write of keys; one that raises may have taken effect, or do so later."""
        begin = time.monotonic_ns()
        self._put(
            [
                Operation("write", k, v, begin, process=self._process, how=how)
                for k, v in values.items()
            ]
        )
        yield
        end = time.monotonic_ns()
        self._put(
            [Operation("write", k, v, begin, end, self._process, how) for k, v in values.items()]
        )

    def read(self, values: dict[str, str | None], begin: int) -> None:
        """Record a read of keys that began then and has ended now."""
        end = time.monotonic_ns()
        self._put([Operation("read", k, v, begin, end, self._process) for k, v in values.items()])

    def _put(self, operations: list[Operation]) -> None:
        os.write(self._file, b"".join(msgspec.json.encode(each) + b"\n" for each in operations))


def read_history(paths: Iterable[Path]) -> dict[str, list[Operation]]:
    """Return what was recorded, by key, in the order in which it began."""
    decoder = msgspec.json.Decoder(Operation)
    writes: dict[tuple[str, str | None, int, int], Operation] = {}
    history: dict[str, list[Operation]] = defaultdict(list)
    for path in paths:
        for line in path.read_bytes().splitlines():
            done = decoder.decode(line)
            if done.kind == "write":  # its end comes after its begin and takes that one's place
                writes[done.key, done.value, done.process, done.begin] = done
            else:
                history[done.key].append(done)
    for done in writes.values():
        history[done.key].append(done)
    return {key: sorted(of_key, key=lambda it: it.begin) for key, of_key in history.items()}


def staleness(
    history: Iterable[Operation], *, forgets: bool = False
) -> list[tuple[int, Operation]]:
    """Return for each read of a key how many ns before it began its value was surely replaced.

    A value was replaced when a write ended that had begun after the value's own write had ended.
    With `forgets`, nothing is never a stale answer: the tier may have lost it.
    """
    operations = list(history)
    writes = [Operation("write", "", None, -2, -1)]  # at first there is nothing
    writes += [it for it in operations if it.kind == "write"]
    ended = sorted((it for it in writes if it.end < NEVER), key=lambda it: it.begin)
    # The earliest end of any write that began at or after this one.
    first_end = [NEVER] * (len(ended) + 1)
    for index in range(len(ended) - 1, -1, -1):
        first_end[index] = min(first_end[index + 1], ended[index].end)
    begins = [it.begin for it in ended]

    def replaced(write: Operation) -> int:
        return first_end[bisect_right(begins, write.end)]

    when: dict[str | None, list[tuple[int, int]]] = defaultdict(list)
    for write in writes:
        when[write.value].append((write.begin, replaced(write)))
    stale = []
    for read in operations:
        if read.kind != "read":
            continue
        if read.value is None and forgets:
            stale.append((0, read))
            continue
        lasted = [until for begin, until in when.get(read.value, []) if begin < read.end]
        if not lasted:
            raise AssertionError(f"{read} saw what nobody had written")
        stale.append((max(0, read.begin - max(lasted)), read))
    return stale


def linearizable(history: Iterable[Operation], *, forgets: bool = False) -> bool:
    """Return whether operations on one key have an order in which each read sees the last write.

    With `forgets`, what was written may be lost at any time, and stays so.
    """
    seen_until: dict[str | None, int] = {}
    operations = list(history)
    for read in operations:
        if read.kind == "read":
            seen_until[read.value] = min(seen_until.get(read.value, NEVER), read.end)
    needed = []
    for it in operations:
        if it.kind == "write" and it.end == NEVER and it.value is not None:
            if it.value not in seen_until:
                continue  # whether it took effect makes no difference
            it = it._replace(end=seen_until[it.value])  # noqa: PLW2901 (it did by then)
        needed.append(it)
    if forgets:
        # Whoever reads nothing may be the first after it was lost, which is as if he deleted it.
        needed = [it._replace(kind="write") if it.value is None else it for it in needed]
    return _search(sorted(needed, key=lambda it: it.begin))


def _search(operations: list[Operation]) -> bool:
    """Search for an order; a state is which operations are in it, and the value after them."""
    total = len(operations)
    must = [it.end < NEVER for it in operations]
    visited: set[tuple[int, int, str | None]] = set()
    # First operation not yet in the order, those after it that are (as bits), and the value.
    stack: list[tuple[int, int, str | None]] = [(0, 0, None)]
    while stack:
        state = stack.pop()
        if state in visited:
            continue
        visited.add(state)
        first, later, value = state
        earliest, rest = NEVER, False
        choices = []
        index = first
        while index < total and operations[index].begin <= earliest:
            it = operations[index]
            if not later >> (index - first) & 1:
                rest = rest or must[index]
                earliest = min(earliest, it.end)
                choices.append(index)
            index += 1
        if not rest and not any(must[index:]):
            return True
        for index in choices:
            it = operations[index]
            if it.begin > earliest or (it.kind == "read" and it.value != value):
                continue
            after = later | 1 << (index - first)
            begin = first
            while after & 1:
                after >>= 1
                begin += 1
            stack.append((begin, after, it.value))
    return False
