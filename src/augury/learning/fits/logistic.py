"""Logistic regression, by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augury.learning.fitting import Fitted, fit_classifier

if TYPE_CHECKING:
    from augury.learning.labels import Training

TITLE = "logistic regression"
PACKAGE = "sklearn"
EXTRA = "learn"

# The solver for many more rows than features.
_PARAMETERS: dict[str, float | int | str] = {"C": 1.0, "solver": "newton-cholesky", "max_iter": 100}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the class "is asked for again before it would be evicted"."""
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(**_PARAMETERS, random_state=seed)
    return fit_classifier(training, estimator, _PARAMETERS)
