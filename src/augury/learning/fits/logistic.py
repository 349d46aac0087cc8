"""Logistic regression, by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from augury.learning.fitting import Fitted, linear_time, need_both_classes, standard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Training

TITLE = "logistic regression"
PACKAGE = "sklearn"
EXTRA = "learn"

# The solver for many more rows than features.
_PARAMETERS: dict[str, float | int | str] = {"C": 1.0, "solver": "newton-cholesky", "max_iter": 100}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the class "is asked for again before it would be evicted"."""
    from sklearn.linear_model import LogisticRegression

    need_both_classes(training)
    mean, scale = standard(training.rows)
    estimator = LogisticRegression(**_PARAMETERS, random_state=seed)
    estimator.fit((training.rows - mean) / scale, training.again, sample_weight=training.weight)
    arrays, line = linear_time(
        training, estimator.coef_[0], float(estimator.intercept_[0]), mean, scale
    )

    def predict(rows: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(line(estimator.decision_function((rows - mean) / scale)))

    return Fitted("linear", arrays, predict, _PARAMETERS)
