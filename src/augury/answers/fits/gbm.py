"""Gradient-boosted trees, by LightGBM (Ke et al., NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.answers.regression import fitting, restore_regression
from augury.answers.target import KINDS
from augury.learning.fits.gbm import forest_of

__all__ = ["EXTRA", "KINDS", "PACKAGE", "TITLE", "fit", "restore"]

TITLE = "gradient boosting"
PACKAGE = "lightgbm"
EXTRA = "learn"

_PARAMETERS: dict[str, float | int | str] = {
    "objective": "regression",
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 5,
    "lambda_l2": 1.0,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "verbosity": -1,
    "num_threads": 1,  # on a machine that also serves, several wait for one another
    "deterministic": True,
    "force_row_wise": True,
}
_TREES = 150


def _regress(
    rows: NDArray[np.float32], values: NDArray[np.float64], seed: int
) -> tuple[str, Mapping[str, NDArray[Any]]]:
    import lightgbm

    data = lightgbm.Dataset(rows, values)
    booster = lightgbm.train({**_PARAMETERS, "seed": seed}, data, num_boost_round=_TREES)
    arrays, _ = forest_of(booster, *rows.shape[::-1])
    return "forest", arrays


fit = fitting(_regress)
restore = restore_regression
