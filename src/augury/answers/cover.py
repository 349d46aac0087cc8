"""Finds regions of a space whose measures add up to those of another region.

Along one dimension, what lies between two points is an edge between them: of a measure that adds
up, any way of edges from the lower end of an interval to its upper end has its sum, an edge that is
walked backwards counting negatively. So the shortest way is the fewest regions, unions and
differences alike. Sets of categories are covered greedily. Along a second dimension each part may
again be made of several.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from augury.answers.parameter import next_number
from augury.answers.region import Dimension, Region, intervals

Parts: TypeAlias = list[tuple[int, Region]]
"""Regions to be added (1) or taken away (-1)."""
Usable: TypeAlias = Callable[[Region], bool]

_STEPS = 400
"""How many regions a search looks at; some 100 microseconds."""
_CATEGORIES = 200
"""Of how many sets of categories a union is made at most."""


def canonical_region(dimensions: Sequence[Dimension], region: Region) -> Region | None:
    """Return a region with its intervals in order and disjoint; None if no row can be in it.

    Examples
    --------
    >>> month = Dimension("month", ordered=True, whole=True)
    >>> canonical_region([month], ((3.0, 5.0, 1.0, 2.0, 4.0, 6.0),))
    ((1.0, 2.0, 3.0, 6.0),)
    """
    sides: list[Any] = []
    for dimension, side in zip(dimensions, region, strict=True):
        if side is None or (dimension.ordered and len(side) == 2 and side[0] <= side[1]):
            sides.append(side)
        elif dimension.ordered:
            merged: list[float] = []
            for low, high in sorted(pair for pair in intervals(side) if pair[0] <= pair[1]):
                if merged and low <= merged[-1]:
                    merged[-1] = max(merged[-1], high)
                else:
                    merged += (low, high)
            sides.append(tuple(merged))
        else:
            sides.append(side)
        if side is not None and not sides[-1]:
            return None
    return tuple(sides)


class Lines:
    """Regions by the lines along which they differ in one dimension only."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self._dimensions = tuple(dimensions)
        self._lines: list[dict[Region, dict[Any, list[Any]]]] = [{} for _ in dimensions]
        self._ends: list[dict[float, Counter[float]]] = [{} for _ in dimensions]

    def add(self, region: Region) -> None:
        """Add a region, which has no groups and is canonical."""
        for at, line, edges in self._places(region):
            for point, edge in edges:
                line.setdefault(point, []).append(edge)
            if len(edges) == 2:
                low, high = region[at] or ()
                self._ends[at].setdefault(low, Counter())[high] += 1

    def discard(self, region: Region) -> None:
        """Take out a region that was added."""
        for at, line, edges in self._places(region):
            for point, edge in edges:
                line[point].remove(edge)
                if not line[point]:
                    del line[point]
            if not line:
                del self._lines[at][region[:at] + region[at + 1 :]]
            if len(edges) == 2:
                low, high = region[at] or ()
                ends = self._ends[at][low]
                ends[high] -= 1
                if not ends[high]:
                    del ends[high]
                if not ends:
                    del self._ends[at][low]

    def _places(self, region: Region) -> Iterator[tuple[int, dict[Any, list[Any]], Any]]:
        """Yield each dimension, the region's line along it, and what is there of the region."""
        for at, (dimension, side) in enumerate(zip(self._dimensions, region, strict=True)):
            assert side is not None
            line = self._lines[at].setdefault(region[:at] + region[at + 1 :], {})
            if not dimension.ordered:
                yield at, line, ((side, region),)
            elif len(side) == 2:
                low, high = side
                end = next_number(high, whole=dimension.whole) if high < math.inf else high
                yield at, line, ((low, (end, 1, region)), (end, (low, -1, region)))
            else:
                yield at, line, ()

    def cover(self, region: Region, usable: Usable) -> Parts | None:
        """Return usable regions that add up to this one, or None if it finds none."""
        steps = iter(range(_STEPS))
        for at in range(len(self._dimensions)):
            found = self._along(at, region, usable, steps)
            if found is not None:
                return found
        for at in range(len(self._dimensions)):
            found = self._across(at, region, usable, steps)
            if found is not None:
                return found
        return None

    def _along(self, at: int, region: Region, usable: Usable, steps: Any) -> Parts | None:
        """Cover a region by such as differ from it in this dimension only."""
        line = self._lines[at].get(region[:at] + region[at + 1 :])
        if line is None:
            return None
        side = region[at]
        assert side is not None
        dimension = self._dimensions[at]
        if not dimension.ordered:
            return _union(frozenset(side), line, usable)
        parts: Parts = []
        for low, high in intervals(side):
            end = next_number(high, whole=dimension.whole) if high < math.inf else high
            way = _way(low, end, line, usable, steps)
            if way is None:
                return None
            parts += way
        return parts

    def _across(self, at: int, region: Region, usable: Usable, steps: Any) -> Parts | None:
        """Cover a region by parts along this dimension, each covered along another one."""
        side = region[at]
        assert side is not None
        dimension = self._dimensions[at]

        def part(of: Any) -> Parts | None:
            within = (*region[:at], of, *region[at + 1 :])
            if usable(within):
                return [(1, within)]
            for other in range(len(self._dimensions)):
                if other != at and next(steps, None) is not None:
                    found = self._along(other, within, usable, steps)
                    if found is not None:
                        return found
            return None

        if not dimension.ordered:
            if len(side) == 1 or _collide(side):
                return None
            parts: Parts = []
            for value in side:
                found = part((value,))
                if found is None:
                    return None
                parts += found
            return parts
        if len(side) != 2:
            return None
        low, high = side
        ends = self._ends[at]
        reached: dict[float, Parts] = {low: []}
        queue = deque([low])
        while queue:
            start = queue.popleft()
            for until in sorted(ends.get(start, ()), reverse=True):
                if until > high or (start == low and until == high):
                    continue
                end = next_number(until, whole=dimension.whole) if until < math.inf else until
                if end in reached or next(steps, None) is None:
                    continue
                found = part((start, until))
                if found is not None:
                    reached[end] = reached[start] + found
                    if until == high:
                        return reached[end]
                    queue.append(end)
        return None


def _way(
    low: float, end: float, line: dict[Any, list[Any]], usable: Usable, steps: Any
) -> Parts | None:
    """Return the edges of the shortest way between two points of a line."""
    if end not in line:
        return None
    came: dict[float, tuple[float, int, Region] | None] = {low: None}
    queue = deque([low])
    while queue:
        point = queue.popleft()
        for to, sign, region in line.get(point, ()):
            if to in came or next(steps, None) is None or not usable(region):
                continue
            came[to] = (point, sign, region)
            if to == end:
                parts: Parts = []
                edge = came[to]
                while edge is not None:
                    parts.append((edge[1], edge[2]))
                    edge = came[edge[0]]
                return parts[::-1]
            queue.append(to)
    return None


def _union(wanted: frozenset[Any], line: dict[Any, list[Region]], usable: Usable) -> Parts | None:
    """Return sets that make up the wanted one, or what is left of a larger one."""
    if len(line) > _CATEGORIES:
        return None
    sets = [(frozenset(side), held[0]) for side, held in line.items() if usable(held[0])]
    sets.sort(key=lambda each: -len(each[0]))
    found = _disjoint(wanted, sets)
    if found is not None:
        return None if _collide(wanted) else [(1, region) for region in found]
    for values, region in reversed(sets):
        if values > wanted:
            rest = _disjoint(values - wanted, sets)
            if rest is not None:
                return None if _collide(values) else [(1, region), *((-1, each) for each in rest)]
    return None


def _disjoint(
    wanted: frozenset[Any], sets: Iterable[tuple[frozenset[Any], Region]]
) -> list[Region] | None:
    found = []
    for values, region in sets:
        if values <= wanted:
            found.append(region)
            wanted -= values
            if not wanted:
                return found
    return None


def _collide(values: Iterable[Any]) -> bool:
    """Tell whether a database might take two of these texts for the same."""
    folded = [_folded(each) if isinstance(each, str) else each for each in values]
    return len(set(folded)) < len(folded)


@lru_cache(10_000)
def _folded(text: str) -> str:
    """Return a text without case, accents and blanks at its end, which collations may ignore."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(c for c in apart if not unicodedata.combining(c)).casefold().rstrip()
