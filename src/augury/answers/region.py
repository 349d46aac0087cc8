"""What a query chooses, as a region of the space that its columns span.

A region has a *side* for each dimension, in the order of the dimensions. The side of a category is
a tuple of its values; that of an ordered dimension is a flat tuple of closed intervals, ``(low,
high)``, as numbers. None stands for each value on its own: a group. Equal queries have equal
regions, however they were written.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice, product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from augury.answers.parameter import Parameter, next_number, number_of
from augury.answers.statement import Condition
from augury.errors import ConfigurationError
from augury.forks import renew_in_child

Side: TypeAlias = tuple[Any, ...] | None
Region: TypeAlias = tuple[Side, ...]
Box: TypeAlias = tuple[tuple[float, float], ...]
"""A closed interval for each dimension; of a category, twice its number in a `Vocabulary`."""


def intervals(side: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Return the intervals of an ordered dimension's side.

    Examples
    --------
    >>> list(intervals((1.0, 2.0, 5.0, 5.0)))
    [(1.0, 2.0), (5.0, 5.0)]
    """
    return zip(side[::2], side[1::2], strict=True)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A column by which queries of a family choose, or a parameter of any other query."""

    name: str
    ordered: bool
    """Whether it is of numbers or points in time, rather than categories."""
    whole: bool = False
    """Whether it holds whole numbers only."""


class Vocabulary:
    """Numbers the values of a family's categories, a dimension each, from 0 as they come.

    And the labels that its queries answer with. Safe to share among threads.

    Examples
    --------
    >>> vocabulary = Vocabulary([Dimension("origin", ordered=False)])
    >>> vocabulary.number(0, "JFK"), vocabulary.number(0, "LGA"), vocabulary.number(0, "JFK")
    (0, 1, 0)
    >>> vocabulary.known(0, "EWR") is None
    True
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self._ordered = tuple(dimension.ordered for dimension in dimensions)
        self.values: tuple[dict[Any, int], ...] = tuple({} for _ in dimensions)
        """Of each dimension, the number of each value; empty if it is ordered."""
        self.labels: dict[Any, int] = {}
        """The number of each label that was an answer."""
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def copy(self) -> Vocabulary:
        """Return what is known by now, to which nothing will be added."""
        copied = Vocabulary(self.dimensions)
        with self._lock:
            copied.values = tuple(dict(values) for values in self.values)
            copied.labels = dict(self.labels)
        return copied

    def number(self, dimension: int, value: Any) -> int:
        """Return a value's number, a new one if it has none."""
        return self._numbered(self.values[dimension], value)

    def label_number(self, label: Any) -> int:
        """Return a label's number, a new one if it has none."""
        return self._numbered(self.labels, label)

    def label(self, number: float) -> Any:
        """Return the label of a number."""
        return next(islice(self.labels, int(number), None))

    def _numbered(self, numbers: dict[Any, int], value: Any) -> int:
        known = numbers.get(value)
        if known is None:
            with self._lock:
                known = numbers.setdefault(value, len(numbers))
        return known

    def known(self, dimension: int, value: Any) -> int | None:
        """Return a value's number, if it has one."""
        return self.values[dimension].get(value)

    def box(self, region: Region) -> Box | None:
        """Return a region as a box, if it is one, not empty, and of values that are known."""
        sides: list[tuple[float, float]] = []
        for ordered, values, side in zip(self._ordered, self.values, region, strict=True):
            if side is None:
                return None
            if ordered:
                if len(side) != 2 or side[0] > side[1]:
                    return None
                sides.append(side)
            else:
                number = values.get(side[0]) if len(side) == 1 else None
                if number is None:
                    return None
                sides.append((number, number))
        return tuple(sides)

    def boxes(self, region: Region, *, new: bool = False) -> list[Box] | None:
        """Return the disjoint boxes that make up a region; None if a value is unknown.

        Parameters
        ----------
        region
            No side of it may be a group.
        new
            Whether to number values that are unknown.
        """
        sides: list[list[tuple[float, float]]] = []
        for at, (dimension, side) in enumerate(zip(self.dimensions, region, strict=True)):
            assert side is not None
            if dimension.ordered:
                sides.append(list(intervals(side)))
                continue
            numbers = [self.number(at, v) if new else self.known(at, v) for v in side]
            known = [(float(each), float(each)) for each in numbers if each is not None]
            if len(known) < len(numbers):
                return None
            sides.append(known)
        return list(product(*sides))


class Binding:
    """Makes regions of a template's parameters."""

    def __init__(
        self,
        conditions: Sequence[Condition],
        groups: Sequence[str],
        parameters: Mapping[str, Parameter],
    ) -> None:
        columns = sorted({condition.column for condition in conditions} | set(groups))
        self.dimensions = tuple(_dimension(column, conditions, parameters) for column in columns)
        """What regions have sides of, in their order."""
        self.conditions = tuple(conditions)
        """What chooses."""
        self.groups = tuple(columns.index(group) for group in groups)
        """Places of the columns by which the statement groups, in the statement's order."""
        self._sides = tuple(
            _side_of(
                dimension,
                [each for each in conditions if each.column == dimension.name],
                parameters,
            )
            for dimension in self.dimensions
        )

    def region(self, values: Mapping[str, Any]) -> Region:
        """Return what these values, which have been checked, choose."""
        return tuple([side(values) for side in self._sides])


def _dimension(
    column: str,
    conditions: Sequence[Condition],
    parameters: Mapping[str, Parameter],
) -> Dimension:
    those = [each for each in conditions if each.column == column]
    kinds = {parameters[each.parameter].kind for each in those}
    if len(kinds) > 1:
        raise ConfigurationError(
            f"parameters compared with {column} are of several types: "
            f"{', '.join(sorted(kind.__name__ for kind in kinds))}"
        )
    ordered = bool(those) and parameters[those[0].parameter].ordered
    if not ordered and any(each.operator not in ("=", "in") for each in those):
        raise ConfigurationError(
            f"{column} is compared by more and less, and so its parameters must be numbers or dates"
        )
    return Dimension(column, ordered, ordered and kinds <= {int, bool})


def _side_of(
    dimension: Dimension, conditions: Sequence[Condition], parameters: Mapping[str, Parameter]
) -> Callable[[Mapping[str, Any]], Side]:
    """Return what makes a side of values; of the usual ones, in as few steps as can be."""
    numbers = all(parameters[each.parameter].kind in (int, float) for each in conditions)
    match [(each.operator, each.parameter) for each in conditions]:
        case [("=", name)] if not dimension.ordered:
            return lambda values: (values[name],)
        case [(">=", low), ("<=", high)] if dimension.ordered and numbers:
            return lambda values: (float(values[low]), float(values[high]))
    return partial(_side, dimension, conditions)


def _side(dimension: Dimension, conditions: Iterable[Condition], values: Mapping[str, Any]) -> Side:
    if not dimension.ordered:
        chosen: set[Any] | None = None
        for condition in conditions:
            value = values[condition.parameter]
            these = set(value) if condition.operator == "in" else {value}
            chosen = these if chosen is None else chosen & these
        return None if chosen is None else tuple(sorted(chosen))
    low, high = -math.inf, math.inf
    points: list[float] | None = None
    for condition in conditions:
        value = values[condition.parameter]
        operator = condition.operator
        if operator == "in":
            among = [number_of(each) for each in value]
            points = among if points is None else [each for each in points if each in among]
            continue
        number = number_of(value)
        if operator in ("=", ">="):
            low = max(low, number)
        elif operator == ">":
            low = max(low, next_number(number, whole=dimension.whole))
        if operator in ("=", "<="):
            high = min(high, number)
        elif operator == "<":
            high = min(high, -next_number(-number, whole=dimension.whole))
    if points is None:
        return (low, high)
    return tuple(edge for each in points if low <= each <= high for edge in (each, each))


def boxes_array(boxes: Sequence[Box], dimensions: int) -> NDArray[np.float64]:
    """Return boxes as an array of shape (boxes, dimensions, 2)."""
    return np.array(boxes, np.float64).reshape(len(boxes), dimensions, 2)


def points_of(
    dimensions: Sequence[Dimension], region: Region, groups: Sequence[int], found: Sequence[Any]
) -> Region | None:
    """Return the region of one group: the sides of the columns by which it groups have its value.

    None if a value is NULL, which no comparison chooses, or of another type than the column's
    parameters.
    """
    sides = list(region)
    for place, value in zip(groups, found, strict=True):
        if value is None:
            return None
        if not dimensions[place].ordered:
            sides[place] = (value,)
        elif isinstance(value, int | float | date):
            sides[place] = (number_of(value), number_of(value))
        else:
            return None
    return tuple(sides)
