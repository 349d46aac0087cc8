"""Queries that choose among the same rows by the same columns, and so learn from each other."""

from __future__ import annotations

from collections.abc import Sequence

from augury.answers.examples import ExampleLog, Examples
from augury.answers.region import Dimension, Region, Vocabulary, points_of
from augury.answers.result import Result


class Family:
    """What is known of the answers of some queries: those that were executed.

    Parameters
    ----------
    name
        Equal for all queries of it; see `augury.answers.statement.Statement.family`.
    dimensions
        Of the space in which they choose.
    """

    def __init__(self, name: str, dimensions: Sequence[Dimension]) -> None:
        self.name = name
        self.dimensions = tuple(dimensions)
        self.vocabulary = Vocabulary(dimensions)
        self.log = ExampleLog(dimensions)

    def note(self, region: Region, groups: Sequence[int], result: Result) -> None:
        """Learn from what the database returned."""
        for found, parts in zip(result.groups, result.parts, strict=True):
            point = points_of(self.dimensions, region, groups, found)
            boxes = self.vocabulary.boxes(point, new=True) if point is not None else None
            if parts and boxes is not None and len(boxes) == 1:
                self.log.note(boxes[0], parts, result.time)

    def examples(self) -> Examples:
        """Return the executed queries, from the oldest."""
        return self.log.examples([len(values) for values in self.vocabulary.values])
