"""Cells of a Gaussian process, given the sums of boxes of them: counts, sums and averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.answers.cube.block import SAMPLES
from augury.answers.cube.cube import Cube, cube_of, sums_before
from augury.answers.examples import Examples
from augury.answers.fits import Estimator
from augury.answers.target import AVG, COUNT, SUM, Target
from augury.errors import ArtefactError

TITLE = "cube of cells"
PACKAGE = "scipy"
EXTRA = "answers"
KINDS = (COUNT, SUM, AVG)

_ROWS = "rows"


def fit(
    examples: Examples, target: Target, seed: int, before: Estimator | None = None
) -> Estimator:
    """Fit the cells to the sums of boxes.

    Examples that say nothing of the target say how many rows lie where, and so they help.
    """
    earlier = before.cube if isinstance(before, CubeEstimator) else None
    cube = cube_of(examples, _rows_of(examples, target), seed, earlier)
    return CubeEstimator(_arrays(cube, target), target, cube)


def restore(arrays: Mapping[str, NDArray[Any]], target: Target) -> Estimator:
    """Make of its arrays what `fit` returned."""
    return CubeEstimator(dict(arrays), target, None)


class CubeEstimator:
    """Estimates sums over boxes, and ratios of two.

    Parameters
    ----------
    arrays
        What it is made of.
    target
        What to estimate.
    cube
        What it comes from, if it has been fitted in this process: from there a fit to more
        examples goes on.

    Raises
    ------
    ArtefactError
        If the arrays do not fit each other or the target.
    """

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], target: Target, cube: Cube | None
    ) -> None:
        self.cube = cube
        self._arrays = dict(arrays)
        try:
            self._native = _native.BoxSums(target.kind, **self._arrays)
        except (TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ArtefactError(f"the model's arrays make no cube: {reason}") from error
        self.estimate_one = self._native.estimate_one

    def estimate(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return estimates and spreads of boxes."""
        return self._native.estimate(boxes)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return what it is made of."""
        return self._arrays


def _counted(examples: Examples, target: Target) -> str:
    """Return the measure that counts what is summed up, as far as that is known."""
    known = target.kind == COUNT or target.counted in examples.measures
    return target.counted if known else _ROWS


def _rows_of(examples: Examples, target: Target) -> str:
    """Return the measure that others are modelled to follow: rows, if they are mostly known."""
    counted = _counted(examples, target)
    known = examples.knowing(_ROWS).sum()
    return _ROWS if known and known >= examples.knowing(counted).sum() else counted


def _arrays(cube: Cube, target: Target) -> dict[str, NDArray[Any]]:
    """Return what a native estimator of the target takes."""
    measures = [target.measure]
    if target.kind != COUNT:
        measures.insert(0, _counted(cube.examples, target))
    cells = int(np.prod(cube.shape))
    means = np.empty((len(cube.blocks), cells, len(measures)))
    samples = np.empty((len(cube.blocks), cells, len(measures) * SAMPLES), np.float32)
    for at, measure in enumerate(measures):
        some = slice(at * SAMPLES, (at + 1) * SAMPLES)
        for block, known in enumerate(cube.cells(measure)):
            means[block, :, at] = sums_before(known.means, cube.shape)[:, 0]
            samples[block, :, some] = sums_before(known.deviations, cube.shape)
    axes = iter(cube.axes)
    placed = [next(axes) if each.ordered else None for each in cube.examples.dimensions]
    return {
        "bins": np.array([0 if axis is None else len(axis) for axis in placed], np.int64),
        "whole": np.array([axis is not None and axis.whole for axis in placed], np.uint8),
        "edges": np.concatenate([np.zeros(0), *(axis.edges for axis in cube.axes)]),
        "categories": np.array(list(cube.blocks), np.int64).ravel(),
        "means": means,
        "samples": samples,
        "limits": np.array([cube.floor(target.measure), cube.per_row(target.measure)]),
    }
