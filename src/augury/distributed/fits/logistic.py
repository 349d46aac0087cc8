"""Logistic regression, by MLlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augury.distributed.classifiers import fit_linear

if TYPE_CHECKING:
    from augury.learning.fitting import Fitted
    from augury.learning.labels import Training

TITLE = "logistic regression"
PACKAGE = "pyspark"
EXTRA = "spark"

_PARAMETERS: dict[str, Any] = {"regParam": 1e-4, "maxIter": 50, "standardization": False}


def fit(training: Training, seed: int) -> Fitted:  # noqa: ARG001 - nothing is random
    """Fit the class "is asked for again before it would be evicted"."""
    from pyspark.ml.classification import LogisticRegression

    estimator = LogisticRegression(labelCol="again", weightCol="weight", **_PARAMETERS)
    return fit_linear(training, estimator, _PARAMETERS)
