"""Answers added up from kept results: of parts of a region, or of a larger region and the rest.

Counts and sums of disjoint regions add up, and averages are sums by counts. What is kept of one
query also answers another that chooses among the same rows: an average has its count in it, and a
result that is grouped by month has each month and each range of months.

Whole numbers (parameters of type ``int``) make ``[1, 2]`` and ``[3, 4]`` adjacent, which is right
only if there is no 2.5 in the column: that is asked of the database once, before the first answer
that depends on it, and again after each reported change. Sums of floating-point numbers are added
in another order than the database's; they differ from its own by rounding, some 1e-13 of the sum of
the parts. A difference in which that would be more than about 1e-10 of the result is not taken.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from augury.answers.cover import Lines, Parts, canonical_region
from augury.answers.parameter import number_of
from augury.answers.region import Dimension, Region, Side, intervals
from augury.answers.result import Result
from augury.answers.results import Key
from augury.answers.target import AVG, COUNT, Target
from augury.forks import renew_in_child

_CANCELLATION = 1e3
"""By how much a result may be smaller than what it is the difference of."""

_ALIKE = 100
"""How many grouped results it knows that differ in the range of their groups only: each is tried.
"""

Get = Callable[[Key], Result | None]
"""Looks up a result that is as good as new."""


@dataclass(frozen=True, slots=True)
class Total:
    """What parts add up to."""

    value: Any
    time: float
    """Seconds since 1970 at which the oldest part was read."""
    parts: int
    """How many results it is made of."""


class _Space:
    """What is kept of regions with the same dimensions."""

    def __init__(self, dimensions: tuple[Dimension, ...]) -> None:
        self.dimensions = dimensions
        self.kept: dict[Region, dict[str, Key]] = {}
        self.lines = Lines(dimensions)

    def forget(self, region: Region) -> None:
        """Forget a region, if it is known."""
        if self.kept.pop(region, None) is not None:
            self.lines.discard(region)


class Rollup:
    """Index of the results that are kept of queries that choose among the same rows.

    Safe to share among threads.

    Parameters
    ----------
    whole
        Asks the database whether a column holds whole numbers only.
    most
        How many regions of the same dimensions it knows at most; then the oldest leave.
    """

    def __init__(self, whole: Callable[[str], bool], most: int = 10_000) -> None:
        self._ask_whole = whole
        self._most = most
        self.begin_anew()
        renew_in_child(self)
        self._generation: Any = None
        self._spaces: dict[tuple[Dimension, ...], _Space] = {}
        self._grouped: dict[tuple[Any, ...], dict[Region, dict[Region, dict[str, Key]]]] = {}
        self._whole: dict[str, bool] = {}

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def note(
        self,
        generation: Any,
        dimensions: tuple[Dimension, ...],
        groups: tuple[int, ...],
        region: Region,
        measures: Sequence[str],
        key: Key,
    ) -> None:
        """Take down that a result is kept."""
        canonical = canonical_region(dimensions, region)
        if canonical is None:
            return
        with self._lock:
            self._turn(generation)
            if groups:
                held = self._grouped.setdefault((dimensions, groups), {})
                fixed = tuple(canonical[at] for at in range(len(dimensions)) if at not in groups)
                by = tuple(canonical[at] for at in groups)
                alike = held.setdefault(fixed, {})
                alike[by] = dict.fromkeys(measures, key)
                if len(alike) > _ALIKE:
                    del alike[next(iter(alike))]
                if len(held) > self._most:
                    del held[next(iter(held))]
                return
            space = self._spaces.get(dimensions)
            if space is None:
                space = self._spaces[dimensions] = _Space(dimensions)
            if canonical in space.kept:
                space.kept[canonical].update(dict.fromkeys(measures, key))
                return
            space.kept[canonical] = dict.fromkeys(measures, key)
            space.lines.add(canonical)
            if len(space.kept) > self._most:
                space.forget(next(iter(space.kept)))

    def _turn(self, generation: Any) -> None:
        """Forget what is of another generation of the data."""
        if generation != self._generation:
            self._generation = generation
            self._spaces.clear()
            self._grouped.clear()
            self._whole = {}  # another one, for whoever is about to write into this one

    def total(
        self,
        generation: Any,
        dimensions: tuple[Dimension, ...],
        region: Region,
        target: Target,
        get: Get,
    ) -> Total | None:
        """Return what a region's answer adds up to; None if what is kept does not say."""
        canonical = canonical_region(dimensions, region)
        if canonical is None:
            return None
        with self._lock:
            self._turn(generation)
            space, whole = self._spaces.get(dimensions), self._whole
        for _ in range(2):  # again, if something turned out to have been evicted
            with self._lock:
                parts = self._cover(space, canonical, target.measure) if space else None
            if parts is None or not self._holds(dimensions, parts, whole):
                break
            assert space is not None
            total, absent = self._sum(space, parts, target, get)
            if not absent:
                return total
        return self._of_groups(dimensions, canonical, target, get)

    def _cover(self, space: _Space, region: Region, measure: str) -> Parts | None:
        kept = space.kept
        if measure in kept.get(region, ()):
            return [(1, region)]
        return space.lines.cover(region, lambda part: measure in kept.get(part, ()))

    def _holds(self, dimensions: Sequence[Dimension], parts: Parts, whole: dict[str, bool]) -> bool:
        """Ask whether the columns along which there are several parts are of whole numbers."""
        for at, dimension in enumerate(dimensions):
            if dimension.whole and len({region[at] for _, region in parts}) > 1:
                if dimension.name not in whole:
                    whole[dimension.name] = self._ask_whole(dimension.name)
                if not whole[dimension.name]:
                    return False
        return True

    def _sum(
        self, space: _Space, parts: Parts, target: Target, get: Get
    ) -> tuple[Total | None, bool]:
        """Return the total, and whether a part was not there any more."""
        found: list[tuple[int, Result]] = []
        for sign, region in parts:
            key = space.kept.get(region, {}).get(target.measure)
            result = get(key) if key is not None else None
            if result is None:
                with self._lock:
                    space.forget(region)
                return None, True
            found.append((sign, result))
        whole = all(isinstance(result.values[0], int | None) for _, result in found)
        cells = [(sign, result.parts[0]) for sign, result in found]
        return _added(cells, target, min(result.time for _, result in found), whole=whole), False

    def _of_groups(
        self, dimensions: tuple[Dimension, ...], region: Region, target: Target, get: Get
    ) -> Total | None:
        """Add up the groups of one grouped result."""
        wanted = dict(zip(dimensions, region, strict=True))
        sides = {dimension.name: side for dimension, side in wanted.items()}
        with self._lock:
            shapes = list(self._grouped.items())
        for (dims, groups), held in shapes:
            named = {dimension.name for dimension in dims}
            if not sides.keys() <= named:
                continue
            fixed = [dims[at] for at in range(len(dims)) if at not in groups]
            if any(dimension not in wanted for dimension in fixed):
                continue
            chosen = [sides.get(dims[at].name) for at in groups]
            for by, keys in list(held.get(tuple(wanted[each] for each in fixed), {}).items()):
                if target.measure not in keys or not all(map(_contains, by, chosen)):
                    continue
                result = get(keys[target.measure])
                total = _of_result(result, chosen, target) if result is not None else None
                if total is not None:
                    return total
        return None


def _contains(outer: Side, inner: Side) -> bool:
    """Tell whether all that one side chooses, the other does; None chooses everything."""
    if outer is None or inner is None:
        return outer is None
    if isinstance(outer[0], str) or isinstance(inner[0], str):
        return set(inner) <= set(outer)
    return len(outer) == 2 and bool(outer[0] <= inner[0] and inner[-1] <= outer[1])


def _of_result(result: Result, sides: Sequence[Any], target: Target) -> Total | None:
    """Add up the groups whose values are within these sides; None stands for all values."""
    cells = []
    absent = [{each for each in side or () if isinstance(each, str)} for side in sides]
    for found, parts in zip(result.groups, result.parts, strict=True):
        inside = True
        for value, side, missing in zip(found, sides, absent, strict=True):
            if side is None:
                continue
            missing.discard(value)
            chosen = _within(value, side)
            if chosen is None:
                return None
            inside = inside and chosen
        if inside:
            cells.append((1, parts))
    if any(absent):
        return None  # a text that is in no group may still equal one, as databases compare texts
    whole = all(isinstance(value, int | None) for value in result.values)
    return _added(cells, target, result.time, whole=whole)


def _within(value: Any, side: tuple[Any, ...]) -> bool | None:
    """Tell whether a group's value is within a side; None if that is not sure."""
    if value is None:
        return False
    if isinstance(side[0], str):
        return value in side
    exact = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    moment = isinstance(value, date) and not (isinstance(value, datetime) and value.tzinfo)
    if not (exact or moment):
        return None  # a fraction may have been rounded on its way here
    number = number_of(value)
    return any(low <= number <= high for low, high in intervals(side))


def _added(
    cells: Sequence[tuple[int, dict[str, float]]], target: Target, time: float, *, whole: bool
) -> Total | None:
    """Add measures up, unless rounding might be felt or the parts are no parts."""
    over = target.counted
    if any(target.measure not in parts or over not in parts for _, parts in cells):
        return None
    count = sum(sign * parts[over] for sign, parts in cells)
    if not (count >= 0 and count < 2**53):
        return None  # the data changed from one part to the next
    if target.kind == COUNT:
        return Total(int(count), time, len(cells))
    if count == 0:
        return Total(None, time, len(cells))
    values = [sign * parts[target.measure] for sign, parts in cells]
    size = math.fsum(abs(value) for value in values)
    if not math.isfinite(size):
        return None
    total = math.fsum(values)
    exact = size < 2**53 and all(value.is_integer() for value in values)
    taken_away = any(sign < 0 for sign, _ in cells)
    if taken_away and not exact and size > _CANCELLATION * abs(total):
        return None
    if target.kind == AVG:
        return Total(total / count, time, len(cells))
    if whole and not exact:
        return None
    return Total(int(total) if whole else total, time, len(cells))
