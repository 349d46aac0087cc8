"""Many queries at once, as columns of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from augury.answers.parameter import Parameter, next_number
from augury.answers.region import Dimension
from augury.answers.statement import Condition
from augury.errors import QueryError


@dataclass(frozen=True, eq=False)
class AnswerColumns:
    """Answers of many queries, in the order of these."""

    values: NDArray[Any]
    """Numbers, with NaN for NULL; or objects, if answers are no numbers."""
    lows: NDArray[Any]
    highs: NDArray[Any]
    origins: NDArray[np.str_]
    """Where each comes from, as `Answer.origin` says it."""
    confidence: float
    """How often at least an inferred one lies from `lows` to `highs`."""

    def __len__(self) -> int:
        return len(self.values)


def is_number(value: Any) -> bool:
    """Return whether a value is one of an array of numbers, as NULL is.

    Examples
    --------
    >>> is_number(7), is_number(None), is_number("UA"), is_number(10**400)
    (True, True, False, False)
    """
    return value is None or (
        isinstance(value, int | float) and (isinstance(value, float) or abs(value) < 2**1023)
    )


class Columns:
    """Checked parameters of many queries: an array for each parameter, all as long.

    Parameters
    ----------
    name
        Of the query, for errors.
    parameters
        Its parameters. None of them takes a list.
    given
        An array, a list or a single value for each.

    Raises
    ------
    QueryError
        If one is unknown, missing, of another type or length, or holds a value not allowed.
    """

    def __init__(
        self, name: str, parameters: Mapping[str, Parameter], given: Mapping[str, ArrayLike]
    ) -> None:
        arrays = {each: _array(each, parameters[each], given[each]) for each in parameters}
        lengths = {len(array) for array in arrays.values() if array.ndim}
        if len(lengths) != 1:
            raise QueryError(
                f"the parameters of query {name!r} must be arrays of one length, not of "
                f"{', '.join(map(str, sorted(lengths))) or 'none'}"
            )
        self.length = lengths.pop()
        self.arrays = {each: np.broadcast_to(array, self.length) for each, array in arrays.items()}

    def rows(self, which: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """Yield parameters of some queries as `Answers.ask` takes them."""
        columns = [array[which].tolist() for array in self.arrays.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(self.arrays, values, strict=True))

    def boxes(
        self,
        dimensions: Sequence[Dimension],
        conditions: Sequence[Condition],
        vocabularies: Sequence[Mapping[Any, int]],
    ) -> NDArray[np.float64]:
        """Return the queries' boxes, shape (queries, dimensions, 2); NaN where there is none."""
        boxes = np.empty((self.length, len(dimensions), 2))
        for at, (dimension, known) in enumerate(zip(dimensions, vocabularies, strict=True)):
            those = [each for each in conditions if each.column == dimension.name]
            if dimension.ordered:
                self._interval(boxes[:, at], dimension, those)
            else:
                boxes[:, at, :] = self._numbers(those, known)[:, None]
        boxes[(boxes[:, :, 0] > boxes[:, :, 1]).any(axis=1)] = np.nan
        return boxes

    def _interval(
        self, sides: NDArray[np.float64], dimension: Dimension, conditions: Sequence[Condition]
    ) -> None:
        sides[:, 0], sides[:, 1] = -math.inf, math.inf
        for condition in conditions:
            numbers = _numbers_of(self.arrays[condition.parameter])
            operator = condition.operator
            if operator in (">", "<"):
                after = np.vectorize(lambda each: next_number(each, whole=dimension.whole))
                sign = 1.0 if operator == ">" else -1.0
                numbers = sign * after(sign * numbers)
            if operator in ("=", ">=", ">"):
                np.maximum(sides[:, 0], numbers, out=sides[:, 0])
            if operator in ("=", "<=", "<"):
                np.minimum(sides[:, 1], numbers, out=sides[:, 1])

    def _numbers(
        self, conditions: Sequence[Condition], known: Mapping[Any, int]
    ) -> NDArray[np.float64]:
        if len(conditions) != 1 or not known:
            return np.full(self.length, np.nan)
        array = self.arrays[conditions[0].parameter]
        values = np.array(list(known))
        numbers = np.array(list(known.values()), np.float64)
        order = np.argsort(values)
        places = np.searchsorted(values[order], array).clip(max=len(values) - 1)
        found = order[places]
        return np.where(values[found] == array, numbers[found], np.nan)


_DTYPES: dict[type[Any], str] = {
    str: "U",
    int: "iu",
    float: "fiu",
    bool: "b",
    date: "M",
    datetime: "M",
}


def _array(name: str, parameter: Parameter, given: ArrayLike) -> NDArray[Any]:
    if parameter.several:
        raise QueryError(f"parameter {name} takes lists: ask such queries one by one")
    try:
        array = np.asarray(given)
    except ValueError:
        raise QueryError(f"parameter {name} must be an array, not a ragged list") from None
    if array.dtype.kind == "O" and parameter.kind in (date, datetime):
        for each in array.flat:
            parameter.checked(name, each)
        array = array.astype("M8[us]")
    if array.ndim > 1 or array.dtype.kind not in _DTYPES[parameter.kind]:
        raise QueryError(
            f"parameter {name} must be an array of {parameter.kind.__name__}, not of "
            f"{array.dtype} and {array.ndim} dimensions"
        )
    odd = ~np.isfinite(array) if array.dtype.kind in "fM" else np.zeros(array.shape, np.bool_)
    if parameter.kind in (date, datetime):  # nanoseconds are no type of Python's
        given, array = array, array.astype("M8[D]" if parameter.kind is date else "M8[us]")
        odd = odd | (array != given)
    if array.dtype.kind in "iu":
        odd = (array > 2**53) | (array < -(2**53))
    for wrong, limit in ((np.less, parameter.least), (np.greater, parameter.most)):
        if limit is not None:
            odd = odd | wrong(array, np.asarray(limit))
    if parameter.values is not None:
        odd = odd | ~np.isin(array, np.asarray(list(parameter.values)))
    if odd.any():
        first = array[odd].flat[0] if array.ndim else array
        parameter.checked(name, first.item())  # tells what is wrong with it
        raise QueryError(f"parameter {name} cannot be {np.asarray(given)[odd].flat[0]}")
    return array


def _numbers_of(array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind == "M":
        return array.astype("M8[us]").astype(np.float64) / 1e6
    return array.astype(np.float64)
