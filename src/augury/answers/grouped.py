"""Infers an answer a group: of those that are known, which there are, and the value of each.

An answer with groups is right if all of its groups are there, no other, and each value lies in its
interval. For that to hold as often as asked, each interval has to hold more often: of m intervals
that each miss with a probability of (1 - confidence) / m, one misses with 1 - confidence at most
(Bonferroni's inequality). A group that no executed query has returned yet cannot be inferred.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from augury.answers.model import Model
from augury.answers.region import Box, Region, Vocabulary, intervals, points_of

_MOST = 1_000  # groups of one answer; the database answers if there may be more


@dataclass(frozen=True, slots=True)
class BoxEstimate:
    """What one model says of one box, such as a group."""

    box: Box
    estimate: float
    half_width: float
    spread: float


@dataclass(frozen=True, slots=True)
class Groups:
    """What is inferred of one answer."""

    values: Mapping[tuple[Any, ...], BoxEstimate]
    """Of the groups that there are."""
    counts: Mapping[tuple[Any, ...], BoxEstimate]
    """Of all that are known, how many rows they have."""


def infer_groups(
    model: Model,
    counts: Model,
    vocabulary: Vocabulary,
    region: Region,
    places: Sequence[int],
    confidence: float,
    allows: Callable[[float, float], bool],
) -> Groups | None:
    """Return an estimate for each group, or None if one of them is not sure enough.

    Parameters
    ----------
    model, counts
        What estimates the values, and how many rows there are; one may be the other. A group is
        there if it surely has a row, and left out if it surely has none.
    vocabulary
        What is known of categories by now. One that the models do not know may be a group.
    region
        With the sides of groups as the conditions leave them.
    places
        Of the columns by which the query groups.
    confidence
        Of all intervals at once.
    allows
        Whether an estimate is sure enough, given how far the answer may be from it.
    """
    groups = _known(vocabulary, region, places)
    if groups is None:
        return None
    boxes = []
    for group in groups:
        point = points_of(vocabulary.dimensions, region, places, group)
        box = None if point is None else model.vocabulary.box(point)
        if box is None or point is None or counts.vocabulary.box(point) != box:
            return None
        boxes.append(box)
    intervals = len(groups) * (1 if counts is model else 2)
    each = 1 - (1 - confidence) / max(1, intervals)
    rows = _estimates(counts, boxes, each)
    if not all(_surely(one) for one in rows):
        return None
    there = [one.estimate >= 0.5 for one in rows]
    those = [box for box, is_there in zip(boxes, there, strict=True) if is_there]
    found = [group for group, is_there in zip(groups, there, strict=True) if is_there]
    values = _estimates(model, those, each)
    if not all(allows(one.estimate, one.half_width) for one in values):
        return None
    return Groups(
        dict(zip(found, values, strict=True)),
        dict(zip(groups, rows, strict=True)),
    )


def empty_groups(
    vocabulary: Vocabulary,
    region: Region,
    places: Sequence[int],
    found: Collection[tuple[Any, ...]],
) -> list[Box]:
    """Return the boxes of the known groups of which the database has returned no row."""
    points = (
        points_of(vocabulary.dimensions, region, places, group)
        for group in _known(vocabulary, region, places) or ()
        if group not in found
    )
    boxes = (vocabulary.box(point) for point in points if point is not None)
    return [box for box in boxes if box is not None]


def _known(
    vocabulary: Vocabulary, region: Region, places: Sequence[int]
) -> list[tuple[Any, ...]] | None:
    """Return the groups that there may be; None if they cannot be told, or are too many."""
    columns = [_values(vocabulary, region, place) for place in places]
    if math.prod(_length(column) for column in columns) > _MOST:
        return None
    return list(product(*(tuple(column or ()) for column in columns)))


def _length(column: Sequence[Any] | None) -> int:
    return _MOST + 1 if column is None else len(column)


def _values(vocabulary: Vocabulary, region: Region, place: int) -> Sequence[Any] | None:
    dimension, side = vocabulary.dimensions[place], region[place]
    if not dimension.ordered:
        return tuple(vocabulary.values[place]) if side is None else side
    if side is None or not dimension.whole or not all(map(math.isfinite, side)):
        return None
    if sum(high - low + 1 for low, high in intervals(side)) > _MOST:
        return None
    return [each for low, high in intervals(side) for each in range(int(low), int(high) + 1)]


def _estimates(model: Model, boxes: Sequence[Box], confidence: float) -> list[BoxEstimate]:
    if not boxes:
        return []
    estimates, spreads = model.estimator.estimate(np.array(boxes, np.float64))
    halves = model.calibration.half_widths(estimates, spreads, confidence)
    columns = (estimates.tolist(), halves.tolist(), spreads.tolist())
    return [BoxEstimate(*each) for each in zip(boxes, *columns, strict=True)]


def _surely(rows: BoxEstimate) -> bool:
    """Return whether it is sure that there are rows, or that there are none."""
    low, high = rows.estimate - rows.half_width, rows.estimate + rows.half_width
    return high < 0.5 or low >= 0.5
