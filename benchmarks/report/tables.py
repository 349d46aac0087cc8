"""Tables and figures in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """Return a table, of which so many first columns are text.

    Examples
    --------
    >>> print(table(["peer", "ns"], [["dict", 29.7]]))
    | peer | ns |
    |---|---:|
    | dict | 29.7 |
    """
    rule = "".join("---|" if column < left else "---:|" for column in range(len(heads)))
    lines = [f"| {' | '.join(heads)} |", f"|{rule}"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def judged(text: str, met: bool | None) -> str:
    """Return a figure, in bold if it misses its target.

    Examples
    --------
    >>> judged("1.18", False), judged("1.02", True), judged("5.4", None)
    ('**1.18**', '1.02', '5.4')
    """
    return f"**{text}**" if met is False else text


def targets(rows: Iterable[tuple[str, str, str, bool]]) -> str:
    """Return a table of targets: what, asked, measured, whether it is met."""
    return table(
        ["", "target", "measured"],
        [[what, asked, judged(found, met)] for what, asked, found, met in rows],
        left=3,
    )
