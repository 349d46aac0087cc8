"""Rows about memory: bytes an entry, beside a dict and the peers."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from augury.bench.fresh import held_memory
from augury.bench.measure import Effort, Measurement, Row, Target, summarise
from augury.bench.peers import installed, ours

ALLOWANCE = 32
"""Bytes an entry that a policy may cost beyond a dict's."""


def find_rows(effort: Effort) -> Iterator[Row]:
    """Yield the rows of this group."""
    yield Row(
        "memory",
        f"memory for {effort.entries:,} int keys, beyond keys and values themselves",
        "bytes an entry",
        "dict",
        Target(allowance=ALLOWANCE),
        functools.partial(_measure, effort.entries),
    )


def _measure(entries: int) -> list[Measurement]:
    names = [peer.name for peer in ours()] + ["dict"]
    names += [peer.name for peer in installed() if peer.name != "dict"]
    values = {name: held_memory(name, entries) / entries for name in names}
    return [summarise(name, [value], [values["dict"]]) for name, value in values.items()]
