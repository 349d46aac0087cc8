"""A decision tree, by scikit-learn: the model that can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.answers.regression import fitting, restore_regression
from augury.answers.target import KINDS
from augury.learning.fits.tree import tree_of
from augury.learning.fitting import forest

__all__ = ["EXTRA", "KINDS", "PACKAGE", "TITLE", "fit", "restore"]

TITLE = "decision tree"
PACKAGE = "sklearn"
EXTRA = "learn"

_PARAMETERS = {"min_samples_leaf": 5}


def _regress(
    rows: NDArray[np.float32], values: NDArray[np.float64], seed: int
) -> tuple[str, Mapping[str, NDArray[Any]]]:
    from sklearn.tree import DecisionTreeRegressor

    estimator = DecisionTreeRegressor(**_PARAMETERS, random_state=seed).fit(rows, values)
    arrays, _ = forest([tree_of(estimator)], rows.shape[1])
    return "forest", arrays


fit = fitting(_regress)
restore = restore_regression
