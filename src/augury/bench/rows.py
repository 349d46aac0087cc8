"""Lists what can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from augury.bench import live, memory, simulation
from augury.bench.measure import Effort, Row
from augury.errors import ConfigurationError


def find_rows(effort: Effort, traces: Sequence[Path] = (), only: Sequence[str] = ()) -> list[Row]:
    """Return the rows, none of them measured yet.

    Parameters
    ----------
    effort
        How much to measure.
    traces
        Trace files for the rows about simulation; by default a generated trace.
    only
        Names of rows, or their beginnings, to return no others.

    Raises
    ------
    ConfigurationError
        If `only` names something that is no row.

    Examples
    --------
    >>> [row.name for row in find_rows(Effort.quick(), only=["hit-str", "miss"])]
    ['hit-str', 'hit-str-small', 'hit-str-4-threads', 'miss']
    """
    rows = [
        *live.find_rows(effort),
        *memory.find_rows(effort),
        *simulation.find_rows(effort, traces),
    ]
    for name in only:
        if not any(row.name.startswith(name) for row in rows):
            known = ", ".join(row.name for row in rows)
            raise ConfigurationError(f"unknown row {name!r}; there are: {known}")
    return [row for row in rows if not only or row.name.startswith(tuple(only))]
