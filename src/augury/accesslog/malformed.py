"""Counts what of a trace could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from augury.errors import TraceError

KEPT = 5
"""How many malformed lines are kept as examples."""
_SHOWN = 80
_CERTAIN_AFTER = 10_000
_CERTAIN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Example:
    """A malformed line or record."""

    line: int
    """Its number, from 1."""
    text: str
    """Its beginning, with what cannot be printed escaped."""
    reason: str
    """What is wrong with it."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}: {self.text}"


@dataclass(slots=True)
class Malformed:
    """How many lines (of a text) or records (of a table) could not be read, and the first of them.

    Examples
    --------
    >>> malformed = Malformed()
    >>> malformed.saw(4)
    >>> malformed.add(3, "12,x", "size is not a number")
    >>> malformed.share
    0.25
    >>> print(malformed.examples[0])
    line 3: size is not a number: '12,x'
    """

    total: int = 0
    """Lines or records looked at, without blank lines."""
    count: int = 0
    """Those of them that could not be read."""
    ignored: int = 0
    """Those of them that were well-formed, but no reads: writes, deletions, other methods."""
    examples: list[Example] = field(default_factory=list)
    """The first few malformed ones."""
    duplicates: int = 0
    """Recorded accesses found twice, and left out the second time: of a file that was copied."""
    clock_jumps: int = 0
    """How often the clock of a recorded log went back, or ahead by more than a second that did not
    pass; the times are put right."""
    unrecorded: int = 0
    """Accesses that the recorder says it has lost."""

    @property
    def share(self) -> float:
        """Malformed lines as a share of all, from 0.0 to 1.0."""
        return self.count / self.total if self.total else 0.0

    def counts(self) -> dict[str, int]:
        """Return what `augury inspect --json` prints of it."""
        return {
            "malformed": self.count,
            "duplicates": self.duplicates,
            "clock_jumps": self.clock_jumps,
            "unrecorded": self.unrecorded,
        }

    def saw(self, lines: int) -> None:
        """Count lines, good or bad, that were looked at."""
        self.total += lines

    def add(self, line: int, text: str | bytes, reason: str, *, lines: int = 1) -> None:
        """Count malformed lines, which begin at number `line` with `text` and share one reason."""
        self.count += lines
        if len(self.examples) < KEPT:
            if isinstance(text, bytes):
                text = text[: 4 * _SHOWN].decode("utf-8", "backslashreplace")
            shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
            self.examples.append(Example(line, ascii(shown), reason))

    def add_each(
        self, lines: NDArray[np.int64], text: Callable[[int], str | bytes], reason: str
    ) -> None:
        """Count malformed lines by number, for one reason; ``text(i)`` is that of the i-th."""
        for i in range(min(len(lines), KEPT - len(self.examples))):
            self.add(int(lines[i]), text(i), reason, lines=0)
        self.count += len(lines)

    def check_early(self, path: object, allowed: float) -> None:
        """Raise as soon as it is certain that this is no trace of the format.

        Parameters
        ----------
        path
            What the error calls the trace.
        allowed
            The share of all lines that may be malformed.

        Raises
        ------
        TraceError
            If nearly all of the first 10,000 lines and more are malformed.
        """
        if self.total >= _CERTAIN_AFTER and self.share > max(allowed, _CERTAIN_SHARE):
            self._refuse(path, allowed)

    def check(self, path: object, allowed: float) -> None:
        """Raise if more than the share `allowed` of all lines is malformed.

        Parameters
        ----------
        path
            What the error calls the trace.
        allowed
            That share, from 0.0 to 1.0.

        Raises
        ------
        TraceError
            Naming the first malformed line.
        """
        if self.share > allowed:
            self._refuse(path, allowed)

    def _refuse(self, path: object, allowed: float) -> None:
        raise TraceError(
            f"{path}: {self.count:,} of {self.total:,} lines are malformed "
            f"({self.share:.2%}, allowed are {allowed:.2%}); {self.examples[0]}; correct them, "
            "name another format (--format), or allow more (max_malformed)"
        )
