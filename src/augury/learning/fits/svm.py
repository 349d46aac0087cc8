"""A linear support vector machine, by scikit-learn (liblinear)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from augury.learning.fitting import Fitted, linear_time, need_both_classes, standard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Training

TITLE = "linear SVM"
PACKAGE = "sklearn"
EXTRA = "learn"

# The primal problem, for there are many more rows than features.
_PARAMETERS = {"C": 0.1, "dual": False, "tol": 1e-3, "max_iter": 300}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the class "is asked for again before it would be evicted", by squared hinge loss."""
    from sklearn.svm import LinearSVC

    need_both_classes(training)
    mean, scale = standard(training.rows)
    estimator = LinearSVC(**_PARAMETERS, random_state=seed)
    estimator.fit((training.rows - mean) / scale, training.again, sample_weight=training.weight)
    arrays, line = linear_time(
        training, estimator.coef_[0], float(estimator.intercept_[0]), mean, scale
    )

    def predict(rows: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(line(estimator.decision_function((rows - mean) / scale)))

    return Fitted("linear", arrays, predict, _PARAMETERS)
