"""The cells of a family, as far as its executed queries tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import xxhash
from numpy.typing import NDArray

from augury.answers.cube.axes import Axis, axes_of
from augury.answers.cube.block import Cells, cells_of, independent
from augury.answers.cube.kernel import Kernel, Sums, tuned
from augury.answers.cube.prior import Prior
from augury.answers.examples import Examples
from augury.forks import renew_in_child

_CELLS = 1024  # of a block: the time to solve it grows with their cube
_ALL_CELLS = 1 << 18  # of all blocks together: each takes about 300 bytes
_TUNED_BOXES = 1500  # boxes of many blocks tell how alike cells are
_TUNED_OF_BLOCK = 100
_GROWTH = 1.5  # with so many times as many examples, kernels are tuned again

Key = tuple[int, ...]
"""The numbers of a block's categories."""


@dataclass(frozen=True, eq=False)
class Measure:
    """How one measure is modelled: as so much a row, and what is left of it."""

    kernel: Kernel
    per_row: float
    """Its mean, by which it follows the rows."""
    unit: float
    """What is left is about so large, for one row."""
    floor: float
    """How exact its sums are, in units."""


@dataclass(frozen=True, eq=False)
class Solved:
    """The cells of a block for one measure, and by what."""

    digest: bytes
    cells: Cells


class Cube:
    """What executed queries say of the cells of their family.

    Safe to share among threads. A measure is solved when it is first asked for.

    Parameters
    ----------
    examples
        The executed queries.
    rows
        The measure that counts what the others follow.
    seed
        Of samples.
    before
        One of a part of these examples: what has not changed is taken from there.
    """

    axes: Sequence[Axis]
    """Of each ordered dimension."""

    def __init__(self, examples: Examples, rows: str, seed: int, before: Cube | None) -> None:
        self.examples = examples
        self.rows = rows
        self._seed = seed
        self.begin_anew()
        renew_in_child(self)
        dimensions = examples.dimensions
        self._ordered = [at for at, each in enumerate(dimensions) if each.ordered]
        self._categories = [at for at, each in enumerate(dimensions) if not each.ordered]
        sides = [examples.boxes[:, at] for at in self._ordered]
        goes_on = before is not None and before._holds(examples, rows)
        self._solved: dict[str, dict[Key, Solved]] = {}
        self._old: dict[str, dict[Key, Solved]] = {}
        self._measures: dict[str, Measure] = {}
        if goes_on and before is not None:
            self.axes = before.axes
            self._tuned_with: int = before._tuned_with
            with before._lock:
                self._old = dict(before._solved)
                self._measures = dict(before._measures)
        else:
            wholes = [dimensions[at].whole for at in self._ordered]
            self.axes = axes_of(sides, wholes, _CELLS)
            self._tuned_with = len(examples)
        self.shape = tuple(map(len, self.axes))
        self._labels = examples.boxes[:, self._categories, 0].astype(np.int64)
        self._shares = [axis.shares(side) for axis, side in zip(self.axes, sides, strict=True)]
        known = examples.knowing(rows)
        self._prior = Prior.of(
            self._labels[known],
            [int(self._labels[:, at].max()) + 1 for at in range(len(self._categories))],
            [share[known] for share in self._shares],
            examples.measures[rows][known],
        )
        self._cut = self._prior.cut(self._labels, self._shares)
        self._drawn = _drawn(examples, self._categories, self._ordered, self.axes)
        self.blocks = self._choose_blocks()

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.RLock()

    def _holds(self, examples: Examples, rows: str) -> bool:
        """Return whether more examples can be added without looking at all of them again."""
        return (
            rows == self.rows
            and examples.dimensions == self.examples.dimensions
            and len(examples) < _GROWTH * self._tuned_with
            and all(
                axis.holds(examples.boxes[:, at]).all()
                for axis, at in zip(self.axes, self._ordered, strict=True)
            )
        )

    def _choose_blocks(self) -> dict[Key, NDArray[np.int64]]:
        """Return the examples of each block, from the block of most."""
        keys, which, counts = np.unique(
            self._labels, axis=0, return_inverse=True, return_counts=True
        )
        order = np.argsort(which.ravel(), kind="stable")
        parts = np.split(order, np.cumsum(counts)[:-1])
        most = max(_ALL_CELLS // int(np.prod(self.shape)), 1)
        chosen = np.argsort(-counts, kind="stable")[:most].tolist()
        return {tuple(keys[at].tolist()): parts[at] for at in chosen}

    def cells(self, measure: str) -> Iterator[Cells]:
        """Return what is known of a measure, block by block in the order of `blocks`."""
        for solved in self._all_solved(measure).values():
            yield solved.cells

    def floor(self, measure: str) -> float:
        """Return how exact a sum of the measure is at best."""
        self._all_solved(measure)
        return self._measures[measure].floor * self._measures[measure].unit

    def per_row(self, measure: str) -> float:
        """Return what a row adds to a measure, as a root of the mean square."""
        self._all_solved(measure)
        return float(np.hypot(self._measures[measure].per_row, self._measures[measure].unit))

    def _all_solved(self, measure: str) -> Mapping[Key, Solved]:
        with self._lock:
            if measure not in self._solved:
                rows = None if measure == self.rows else self._all_solved(self.rows)
                if measure not in self._measures:
                    self._measures[measure] = self._tune(measure, rows)
                old = self._old.pop(measure, {})
                self._solved[measure] = {
                    key: self._solve(measure, key, rows[key] if rows else None, old.get(key))
                    for key in self.blocks
                }
            return self._solved[measure]

    def _tune(self, measure: str, rows: Mapping[Key, Solved] | None) -> Measure:
        """Return how a measure is best modelled."""
        values = self.examples.measures[measure]
        known = self._knowing(measure)
        most = float(np.abs(values[known]).max(initial=0.0))
        if rows is None:
            start = Kernel.start(self.shape, 0.4, 0.7, 1.0)
            floor = max(0.02, 1e-7 * most)
            found = Measure(start, 0.0, 1.0, floor)
        else:
            counts = self.examples.measures[self.rows]
            known &= counts > 0
            counts, values = counts[known], values[known]
            per_row = float(values.sum() / max(counts.sum(), 1.0))
            left = (values - per_row * counts) / np.sqrt(counts)
            unit = float(np.sqrt((left**2).mean())) if len(left) else 0.0
            unit = max(unit, 1e-3 * abs(per_row), 1e-6)
            start = Kernel.start(self.shape, 0.3, 0.7, 0.03)
            found = Measure(start, per_row, unit, max(1e-3, 1e-9 * most / unit))
        generator = np.random.default_rng(self._seed)
        keys = list(self.blocks)
        boxes, parts = 0, []
        for at in generator.permutation(len(keys)).tolist():
            sums, _ = self._sums(measure, found, keys[at], rows[keys[at]] if rows else None)
            if len(sums.residuals):
                parts.append(sums.newest(_TUNED_OF_BLOCK))
                boxes += len(parts[-1].residuals)
            if boxes >= _TUNED_BOXES:
                break
        if parts:
            found = Measure(tuned(start, parts), found.per_row, found.unit, found.floor)
        return found

    def _solve(self, measure: str, key: Key, rows: Solved | None, old: Solved | None) -> Solved:
        digest = self._digest(measure, key, rows)
        if old is not None and old.digest == digest:
            return old
        how = self._measures[measure]
        sums, expected = self._sums(measure, how, key, rows)
        generator = np.random.default_rng(
            (self._seed, xxhash.xxh32_intdigest(measure.encode()), *key)
        )
        cells = expected.given(how.kernel, sums, generator)
        return Solved(digest, cells.times(how.unit))

    def _sums(
        self, measure: str, how: Measure, key: Key, rows: Solved | None
    ) -> tuple[Sums, Cells]:
        """Return what boxes of a block say that is new, and its cells without that, in units."""
        examples = self.blocks[key]
        examples = examples[self._knowing(measure)[examples]]
        counts = self.examples.measures[self.rows][examples]
        prior = self._expected(key)
        boxes = cells_of([share[examples] for share in self._shares], len(examples))
        empty = (boxes[counts == 0] == 1).any(axis=0)
        prior[empty] = 0.0
        if rows is None:
            expected, scale = Cells.known(prior), prior
        else:
            expected = rows.cells.times(how.per_row / how.unit)
            scale = np.where(empty, 0.0, np.maximum(rows.cells.means, 0.05 * prior))
        boxes[:, empty] = 0.0
        of_row = 1.0 if rows is None else np.hypot(how.per_row / how.unit, 1.0)
        variances = self._cut[examples] * of_row**2
        kept = independent(boxes, variances + how.floor**2)
        boxes, examples = boxes[kept], examples[kept]
        residuals = self.examples.measures[measure][examples] / how.unit - boxes @ expected.means
        return Sums(boxes, residuals, variances[kept], how.floor, scale), expected

    def _expected(self, key: Key) -> NDArray[np.float64]:
        """Return the rows expected in each cell of a block.

        A sample moves them as it does the mean of a gamma distribution of shape 1 that rows are
        drawn by: the more, the more rows of the cell it should have.
        """
        cells = self._prior.cells(key)
        sample = self.examples.sample
        if sample is None:
            return cells
        drawn = self._drawn.get(key, 0.0)
        moved: NDArray[np.float64] = cells * (1.0 + drawn) / (1.0 + cells * sample.fraction)
        return moved

    def _knowing(self, measure: str) -> NDArray[np.bool_]:
        return self.examples.knowing(measure) & self.examples.knowing(self.rows)

    def _digest(self, measure: str, key: Key, rows: Solved | None) -> bytes:
        """Return what only blocks of the same examples have, in whatever order."""
        examples = self.blocks[key]
        told = np.column_stack(
            [
                self.examples.boxes[examples].reshape(len(examples), -1),
                self.examples.measures[measure][examples],
            ]
        )
        digest = xxhash.xxh3_128(told[np.lexsort(told.T)].tobytes())
        digest.update(b"" if rows is None else rows.digest)
        return digest.digest()


def _drawn(
    examples: Examples, categories: Sequence[int], ordered: Sequence[int], axes: Sequence[Axis]
) -> dict[Key, NDArray[np.float64]]:
    """Return how many rows of the sample lie in each cell, by block."""
    sample = examples.sample
    if sample is None:
        return {}
    shape = tuple(map(len, axes))
    places = [
        np.searchsorted(axis.edges, sample.points[:, at], side="right") - 1
        for axis, at in zip(axes, ordered, strict=True)
    ]
    inside = np.ones(len(sample.points), np.bool_)
    for place, length in zip(places, shape, strict=True):
        inside &= (place >= 0) & (place < length)
    cells = np.zeros(int(inside.sum()), np.int64)
    for place, length in zip(places, shape, strict=True):
        cells = cells * length + place[inside]
    labels = sample.points[inside][:, categories].astype(np.int64)
    found: dict[Key, NDArray[np.float64]] = {}
    for key in np.unique(labels, axis=0):
        those = cells[(labels == key).all(axis=1)]
        found[tuple(key.tolist())] = np.bincount(those, minlength=int(np.prod(shape))).astype(float)
    return found


_CUBES: WeakValueDictionary[bytes, Cube] = WeakValueDictionary()


def cube_of(examples: Examples, rows: str, seed: int, before: Cube | None) -> Cube:
    """Return the cube of examples: that which is in use, if it is of the same ones."""
    digest = xxhash.xxh3_128(f"{seed} {rows} {examples.dimensions}".encode())
    digest.update(examples.boxes.tobytes())
    for name in sorted(examples.measures):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(examples.measures[name]).tobytes())
    if examples.sample is not None:
        digest.update(examples.sample.points.tobytes())
    cube = _CUBES.get(digest.digest())
    if cube is None:
        cube = Cube(examples, rows, seed, before)
        _CUBES[digest.digest()] = cube
    return cube


def sums_before(cells: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return, for each cell, the sum of those that are in no dimension after it."""
    sums = cells.reshape(*shape, -1)
    for axis in range(len(shape)):
        sums = np.cumsum(sums, axis=axis)
    return sums.reshape(len(cells), -1)
