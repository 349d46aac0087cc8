"""A linear support vector machine, by scikit-learn (liblinear)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augury.learning.fitting import Fitted, fit_classifier

if TYPE_CHECKING:
    from augury.learning.labels import Training

TITLE = "linear SVM"
PACKAGE = "sklearn"
EXTRA = "learn"

# The primal problem, for there are many more rows than features.
_PARAMETERS = {"C": 0.1, "dual": False, "tol": 1e-3, "max_iter": 300}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the class "is asked for again before it would be evicted", by squared hinge loss."""
    from sklearn.svm import LinearSVC

    estimator = LinearSVC(**_PARAMETERS, random_state=seed)
    return fit_classifier(training, estimator, _PARAMETERS)
