"""How queries have been answered so far, and what audits have found of the answers."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from augury.answers.answer import ORIGINS
from augury.answers.watch import Finding


class Served:
    """Counts answers by where they come from.

    Examples
    --------
    >>> served = Served()
    >>> served.count("cache")
    >>> served.counts()
    {'cache': 1, 'rollup': 0, 'inferred': 0, 'database': 0}
    """

    def __init__(self) -> None:
        self._counts = dict.fromkeys(ORIGINS, 0)
        self._lock = threading.Lock()

    def count(self, origin: str, answers: int = 1) -> None:
        """Count answers."""
        with self._lock:
            self._counts[origin] += answers

    def counts(self) -> dict[str, int]:
        """Return how many there were of each origin."""
        with self._lock:
            return dict(self._counts)


@dataclass(frozen=True, slots=True)
class QueryReport:
    """What is known of the answers of one query.

    Its text has a line a part of the space, of those that were audited most, and shows where
    estimates are too high or too low.
    """

    query: str
    answers: Mapping[str, int]
    """How many there were of each origin."""
    model: str | None
    """Name of the kind of model in use; None if the database answers what is not kept."""
    examples: int
    """Executed queries that it was learned from."""
    audits: Finding | None
    """What the last 500 audits say; None if there were none."""
    parts: tuple[Finding, ...]
    """What they say of each part of each dimension, the most audited first."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for machines; what is not known is None."""
        return {
            "query": self.query,
            "answers": dict(self.answers),
            "model": self.model,
            "examples": self.examples,
            "audits": None if self.audits is None else _plain(self.audits),
            "parts": [_plain(each) for each in self.parts],
        }

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {origin}" for origin, count in self.answers.items())
        model = f"{self.model} of {self.examples:,} queries" if self.model else "no model"
        lines = [f"{self.query}: {told}; {model}"]
        if self.audits is not None:
            lines.append(_line("all", self.audits))
            lines += [_line(each.where, each) for each in self.parts[:8]]
        return "\n".join(lines)


def _line(where: str, found: Finding) -> str:
    return (
        f"  {where:<24} {found.audits:>4} audits  covers {found.coverage:6.1%}  "
        f"error {found.error:.3g}  bias {found.bias:+.3g}"
    )


def _plain(found: Finding) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(found).items()
    }
