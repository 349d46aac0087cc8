"""Boxes as rows of numbers, which models that know nothing of boxes can be fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.answers.examples import Examples
from augury.answers.region import Box

_MOST = 32  # categories of a dimension with a column of their own
_SHRINK = 5.0  # examples that the mean of all counts as, beside those of a category
_FINE = 1024.0  # parts of the range that no query tells apart, if numbers are not whole
_OWN = (
    *(tuple(float(at == place) for at in range(_MOST)) for place in range(_MOST)),
    (0.0,) * _MOST,  # at -1: of a category without a column of its own
)


@dataclass(frozen=True, eq=False)
class Features:
    """The columns of a row, made of the boxes that were seen.

    Of an ordered dimension: both ends as shares of the range that was seen, to which infinite ends
    are clipped, and the logarithm of the width. Of a category: the mean of the target among its
    examples, and a column for each of the most frequent ones. And the sum of the logarithms of all
    widths, by which a count would go if rows were spread evenly.

    Examples
    --------
    >>> from augury.answers.region import Dimension
    >>> boxes = np.array([[[1.0, 4.0]], [[2.0, 2.0]], [[1.0, 2.0]]])
    >>> month = Dimension("month", ordered=True, whole=True)
    >>> few = Examples((month,), (0,), boxes, {}, np.zeros(3))
    >>> features = Features.of(few, np.array([8.0, 2.0, 4.0]))
    >>> features.rows(boxes).tolist()  # the low end, the high one, the logarithm of 4, 1 and 2 of 4
    [[0.0, 1.0, 0.0], [0.33..., 0.33..., -2.0], [0.0, 0.33..., -1.0]]
    >>> features.row(((1.0, 9.0),)) is None  # nobody has asked for so much
    True
    """

    ordered: NDArray[np.bool_]
    """Of each dimension, whether it is ordered."""
    seen: NDArray[np.float64]
    """Shape (dimensions, 2, 2): of either end, the least and the greatest that was asked for."""
    ends: NDArray[np.float64]
    """Shape (dimensions, 2): the least and the greatest finite end."""
    unit: NDArray[np.float64]
    """Of each dimension, what the width of a single value counts as."""
    effects: NDArray[np.float64]
    """Means of the target by category, one dimension after the other; NaN of those never seen."""
    places: NDArray[np.int64]
    """Which of its dimension's columns is the category's own; -1 if none is."""
    starts: NDArray[np.int64]
    """Where in these two each dimension begins, and the end."""
    kept: NDArray[np.int64]
    """Which columns tell examples apart."""

    @classmethod
    def of(cls, examples: Examples, values: NDArray[np.float64]) -> Features:
        """Return features that tell these examples apart, whose target has these values."""
        boxes, dimensions = examples.boxes, examples.dimensions
        ordered = np.array([dimension.ordered for dimension in dimensions], np.bool_)
        ends = np.array([_finite_range(boxes[:, at]) for at in range(len(dimensions))])
        ends = ends.reshape(len(dimensions), 2)
        width = np.maximum(ends[:, 1] - ends[:, 0], 1e-9)
        whole = np.array([dimension.whole for dimension in dimensions], np.bool_)
        effects, places = [np.zeros(0)], [np.zeros(0, np.int64)]
        starts = [0]
        for at, size in enumerate(examples.sizes):
            if not ordered[at]:
                numbers = boxes[:, at, 0].astype(np.int64)
                counts = np.bincount(numbers, minlength=size)
                sums = np.bincount(numbers, values, minlength=size)
                means = (sums + _SHRINK * values.mean()) / (counts + _SHRINK)
                effects.append(np.where(counts > 0, means, np.nan))
                ranks = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
                places.append(np.where((ranks < _MOST) & (counts > 0), ranks, -1))
            starts.append(sum(map(len, effects)))
        parts = {
            "ordered": ordered,
            "seen": np.stack([boxes.min(axis=0), boxes.max(axis=0)], axis=-1),
            "ends": ends,
            "unit": np.where(whole, 1.0, width / _FINE),
            "effects": np.concatenate(effects),
            "places": np.concatenate(places).astype(np.int64),
            "starts": np.array(starts, np.int64),
        }
        every = cls(**parts, kept=np.arange(_columns(ordered)))
        return cls(**parts, kept=_telling(every.rows(boxes)))

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Features:
        """Make it of its arrays.

        Raises
        ------
        ValueError
            If they do not fit each other.
        """
        made = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        count = len(made.ordered)
        sizes = np.diff(made.starts)
        if not (
            made.ordered.dtype == np.bool_
            and made.seen.shape == (count, 2, 2)
            and made.ends.shape == (count, 2)
            and made.unit.shape == (count,)
            and made.starts.shape == (count + 1,)
            and ((sizes == 0) == made.ordered).all()
            and (sizes >= 0).all()
            and made.starts[0] == 0
            and made.effects.shape == made.places.shape == (made.starts[-1],)
            and ((made.places >= -1) & (made.places < _MOST)).all()
            and np.isfinite(made.ends).all()
            and (made.unit > 0).all()
            and ((made.kept >= 0) & (made.kept < _columns(made.ordered))).all()
        ):
            raise ValueError("the arrays of the features do not fit each other")
        return made

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `restore` makes it of again."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def known(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which boxes are within what was asked for, so that examples say anything of them.

        A tree goes on beyond its examples as if nothing changed there.
        """
        inside = (self.seen[None, :, :, 0] <= boxes) & (boxes <= self.seen[None, :, :, 1])
        known = np.asarray(inside.all(axis=(1, 2)))
        for at in np.flatnonzero(~self.ordered).tolist():
            effects = self._of(self.effects, at)
            known &= ~np.isnan(effects[_numbers(boxes[:, at, 0], len(effects))])
        return known

    def rows(self, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return a row for each box; of those that are not `known`, one that says little."""
        columns: list[NDArray[np.float64]] = []
        volume = np.zeros(len(boxes))
        for at, is_ordered in enumerate(self.ordered.tolist()):
            if is_ordered:
                start, stop = self.ends[at]
                low, high = np.clip(boxes[:, at], start, stop).T
                extent, unit = stop - start, self.unit[at]
                width = np.log2((np.maximum(high - low, 0.0) + unit) / (extent + unit))
                volume += width
                scale = max(extent, unit)
                columns += [(low - start) / scale, (high - start) / scale, width]
            else:
                effects, places = self._of(self.effects, at), self._of(self.places, at)
                numbers = _numbers(boxes[:, at, 0], len(effects))
                columns.append(np.nan_to_num(effects[numbers]))
                columns += list((places[numbers][None, :] == np.arange(_MOST)[:, None]) * 1.0)
        columns.append(volume)
        return np.stack(columns, axis=1)[:, self.kept].astype(np.float32)

    def row(self, box: Box) -> list[float] | None:
        """Return the row of one box; None unless it is `known`."""
        row: list[float] = []
        volume = 0.0
        for (low, high), part in zip(box, self._parts, strict=True):
            if part.effects is None:
                (least, most), (low_least, low_most), (high_least, high_most) = part.limits
                if not (low_least <= low <= low_most and high_least <= high <= high_most):
                    return None
                low = least if low < least else min(low, most)  # noqa: PLW2901
                high = least if high < least else min(high, most)  # noqa: PLW2901
                width = log2((max(high - low, 0.0) + part.unit) / (most - least + part.unit))
                volume += width
                row += ((low - least) / part.scale, (high - least) / part.scale, width)
            else:
                number = int(low)
                if number >= len(part.effects) or part.effects[number] != part.effects[number]:
                    return None
                row.append(part.effects[number])
                row += _OWN[part.places[number]]
        row.append(volume)
        return [row[column] for column in self._kept]

    def _of(self, array: NDArray[Any], at: int) -> NDArray[Any]:
        return array[self.starts[at] : self.starts[at + 1]]

    @cached_property
    def _kept(self) -> list[int]:
        return [int(column) for column in self.kept]

    @cached_property
    def _parts(self) -> list[_Part]:
        return [
            _Part(
                ((least, most), *(tuple(pair) for pair in self.seen[at].tolist())),
                float(self.unit[at]),
                max(most - least, float(self.unit[at])),
                None if self.ordered[at] else self._of(self.effects, at).tolist(),
                self._of(self.places, at).tolist(),
            )
            for at, (least, most) in enumerate(self.ends.tolist())
        ]


@dataclass(frozen=True, slots=True)
class _Part:
    """A dimension as Python's own numbers, which are faster one at a time."""

    limits: tuple[tuple[float, ...], ...]
    unit: float
    scale: float
    effects: list[float] | None
    places: list[int]


def _numbers(side: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Return the numbers of categories; that of another one where there is none."""
    return np.clip(np.nan_to_num(side), 0, size - 1).astype(np.int64)


def _columns(ordered: NDArray[np.bool_]) -> int:
    return int(np.where(ordered, 3, 1 + _MOST).sum()) + 1


def _finite_range(sides: NDArray[np.float64]) -> tuple[float, float]:
    finite = sides[np.isfinite(sides)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def _telling(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the columns that are neither constant nor equal to one before."""
    telling: list[int] = []
    for at in range(rows.shape[1]):
        column = rows[:, at]
        if (column == column[:1]).all():
            continue
        if not any((column == rows[:, other]).all() for other in telling):
            telling.append(at)
    return np.array(telling or [0], np.int64)
