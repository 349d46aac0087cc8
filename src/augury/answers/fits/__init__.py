"""The models of answers, one file each, found by discovery.

A module here has a `TITLE`, the `PACKAGE` that fits it and the `EXTRA` that installs that, the
`KINDS` of targets that it can estimate, and functions ``fit(examples, target, seed, before)`` and
``restore(arrays, target)``, which return an `Estimator`; nothing else has to know that it is there.
The package is imported inside `fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from augury.answers.examples import Examples
from augury.answers.region import Box
from augury.answers.target import Target
from augury.discovery import load_module, module_names, require


class Estimator(Protocol):
    """What was fitted: estimates answers, and says of which it is less sure."""

    def estimate(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return estimates and spreads of boxes, shape (boxes, dimensions, 2).

        A spread is above 0 and grows with the error to be expected; calibration gives it its
        unit. Both are NaN where there is nothing to go by. An estimate of NaN with a spread of 0
        is NULL: there are surely no rows.
        """

    def estimate_one(self, box: Box) -> tuple[float, float]:
        """Return the estimate and the spread of one box."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return what the module's ``restore(arrays, target)`` makes it of again."""


class Fit(Protocol):
    """One kind of model."""

    TITLE: str
    """As people call it."""
    PACKAGE: str
    """What fits it."""
    EXTRA: str
    """What installs that: ``pip install 'augury[EXTRA]'``."""
    KINDS: tuple[str, ...]
    """The kinds of targets that it can estimate."""

    def fit(
        self, examples: Examples, target: Target, seed: int, before: Estimator | None = None
    ) -> Estimator:
        """Fit the model to executed queries.

        Those that say nothing of the target may still say how many rows lie where: `Target.of` is
        NaN where the answer was NULL, as the average of no rows is. `before` is what the same
        module has fitted to a part of them for the same target, from which it may go on.
        """

    def restore(self, arrays: Mapping[str, NDArray[Any]], target: Target) -> Estimator:
        """Make of its arrays what was fitted."""


def fit_names() -> list[str]:
    """Return the names of all models, in alphabetical order."""
    return module_names(__name__)


def load_fit(name: str) -> Fit:
    """Return a model's module by its name.

    Raises
    ------
    ConfigurationError
        If there is no model of that name.
    MissingExtraError
        If the package that fits it is not installed.
    """
    fit = _module(name)
    require(fit.PACKAGE, fit.EXTRA)
    return fit


def restore_estimator(name: str, arrays: Mapping[str, NDArray[Any]], target: Target) -> Estimator:
    """Make of its arrays what a model of this name fitted, which takes nothing that fits it.

    Raises
    ------
    ConfigurationError
        If there is no model of that name.
    """
    return _module(name).restore(arrays, target)


def _module(name: str) -> Fit:
    return cast("Fit", load_module(__name__, name, "model"))
