"""A random forest, by scikit-learn."""

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

TITLE = "random forest"
PACKAGE = "sklearn"
EXTRA = "learn"

_PARAMETERS = {"n_estimators": 32, "min_samples_leaf": 2, "max_features": 0.5, "n_jobs": 1}


def _regress(
    rows: NDArray[np.float32], values: NDArray[np.float64], seed: int
) -> tuple[str, Mapping[str, NDArray[Any]]]:
    from sklearn.ensemble import RandomForestRegressor

    estimator = RandomForestRegressor(**_PARAMETERS, random_state=seed).fit(rows, values)
    share = 1 / len(estimator.estimators_)
    arrays, _ = forest((tree_of(tree, share) for tree in estimator.estimators_), rows.shape[1])
    return "forest", arrays


fit = fitting(_regress)
restore = restore_regression
