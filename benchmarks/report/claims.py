"""The numbers in README, each of which comes from the figures of the report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.report import figures
from benchmarks.report.section import find_section, section_names

CLAIMS = (
    "with most policies a hit costs {live.low_hit} to {live.high_hit} times what `dict.get` costs,"
    " with the default, `auto`, {live.low_auto} to {live.high_auto}, and a memoised call"
    " {live.memo} times `functools.lru_cache`'s while its results fit the processor's caches",
    "over {eviction.traces} traces they close {eviction.auto} and {eviction.learned}% of the gap"
    " between FIFO and the best that is possible, S3-FIFO {eviction.s3fifo}%, LRU {eviction.lru}%,",
    "a near hit takes {tiers.near} µs in the median, redis-py's `GET` {tiers.get} µs",
    "at {simulation.low} to {simulation.high} million requests a second",
    "a random forest gives {inference.forest} times as many rows a second where"
    " {inference.repeats}% of them were seen before",
    "of {answers.questions} questions about real flights at least {answers.kept}% are not sent to"
    " the database, and at least {answers.right}% of the inferred answers are in their interval",
)
"""What README says, where a name in braces is a section's fact: `Section.facts`."""


def facts(folder: Path = figures.FOLDER) -> Mapping[str, str]:
    """Return every section's facts, as `section.name`."""
    return {
        f"{name}.{fact}": value
        for name in section_names()
        if (runs := figures.read(name, folder))
        for fact, value in find_section(name).facts(runs).items()
    }


def fill(text: str, known: Mapping[str, str]) -> str:
    r"""Return a text with the numbers of all claims as they are known.

    Examples
    --------
    >>> fill("It holds at 3 to 4 million requests\na second.",
    ...      {"simulation.low": "5", "simulation.high": "90"})
    'It holds at 5 to 90 million requests\na second.'
    """
    for claim in CLAIMS:
        names = re.findall(r"\{([\w.]+)\}", claim)
        if known.keys() >= set(names):
            values = [known[name] for name in names]

            def replaced(found: re.Match[str], values: list[str] = values) -> str:
                parts = iter(values)
                between = found.groups()[::2]
                return "".join(part + next(parts, "") for part in between)

            text = re.sub(_pattern(claim), replaced, text)
    return text


def found(text: str) -> Iterator[re.Match[str] | None]:
    """Yield for each claim where a text says it."""
    for claim in CLAIMS:
        yield re.search(_pattern(claim), text)


def _pattern(claim: str) -> str:
    """Match a claim whatever its numbers are and wherever its lines end."""
    parts = re.split(r"(\{[\w.]+\})", claim)
    groups = [
        r"([\d.,]+)" if number % 2 else "(" + r"\s+".join(map(re.escape, part.split(" "))) + ")"
        for number, part in enumerate(parts)
    ]
    return "".join(groups)
