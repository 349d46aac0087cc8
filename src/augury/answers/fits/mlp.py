"""A neural network, by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.answers.regression import fitting, restore_regression
from augury.answers.target import KINDS
from augury.learning.fitting import standard
from augury.learning.native_threads import one_native_thread

__all__ = ["EXTRA", "KINDS", "PACKAGE", "TITLE", "fit", "restore"]

TITLE = "neural network"
PACKAGE = "sklearn"
EXTRA = "learn"

_PARAMETERS = {
    "hidden_layer_sizes": (64, 64),
    "alpha": 1e-4,
    "learning_rate_init": 3e-3,
    "early_stopping": True,
    "n_iter_no_change": 8,
    "max_iter": 100,
}


def _regress(
    rows: NDArray[np.float32], values: NDArray[np.float64], seed: int
) -> tuple[str, Mapping[str, NDArray[Any]]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    mean, scale = standard(rows)
    centre, deviation = float(values.mean()), float(values.std()) or 1e-9
    network = MLPRegressor(**_PARAMETERS, random_state=seed)
    with warnings.catch_warnings(), one_native_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the best that it can in this time
        network.fit((rows - mean) / scale, (values - centre) / deviation)
    weights, biases = network.coefs_, network.intercepts_
    weights[-1], biases[-1] = weights[-1] * deviation, biases[-1] * deviation + centre
    arrays = {"mean": mean, "scale": scale}
    for at, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        arrays[f"weights{at}"] = np.ascontiguousarray(weight.T, np.float32)
        arrays[f"bias{at}"] = np.asarray(bias, np.float32)
    return "mlp", arrays


fit = fitting(_regress)
restore = restore_regression
