"""Queries that choose among the same rows by the same columns, and so learn from each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from augury.answers.examples import ExampleLog, Examples, Measures
from augury.answers.region import Dimension, Region, Vocabulary, points_of
from augury.answers.result import Result
from augury.answers.target import LABEL, VALUE


class Family:
    """What is known of the answers of some queries: those that were executed.

    Parameters
    ----------
    name
        Equal for all queries of it; see `augury.answers.statement.Statement.family`.
    dimensions
        Of the space in which they choose.
    labels
        Whether they answer with labels. False by default.
    """

    def __init__(self, name: str, dimensions: Sequence[Dimension], *, labels: bool = False) -> None:
        self.name = name
        self.labels = labels
        self.dimensions = tuple(dimensions)
        self.vocabulary = Vocabulary(dimensions)
        self.log = ExampleLog(dimensions)

    def note(
        self,
        region: Region,
        groups: Sequence[int],
        result: Result,
        changed: float = -math.inf,
    ) -> None:
        """Learn from what the database returned; its tables were `changed` for the last time."""
        for found, value, parts in zip(result.groups, result.values, result.parts, strict=True):
            measures = parts or self.measures(value)
            point = points_of(self.dimensions, region, groups, found)
            boxes = self.vocabulary.boxes(point, new=True) if point is not None else None
            if measures and boxes is not None and len(boxes) == 1:
                self.log.note(boxes[0], measures, result.time, changed)

    def measures(self, value: Any) -> Measures:
        """Return what is learned of an answer that does not add up: a number, or a label's."""
        if self.labels:
            known = value is None or isinstance(value, str | int | float)  # NULL is an answer, too
            return {LABEL: float(self.vocabulary.label_number(value))} if known else {}
        if value is None:
            return {VALUE: math.nan}
        try:
            return {VALUE: float(value)} if isinstance(value, int | float) else {}
        except OverflowError:
            return {}

    def examples(self) -> Examples:
        """Return the executed queries, from the oldest."""
        return self.log.examples([len(values) for values in self.vocabulary.values])
