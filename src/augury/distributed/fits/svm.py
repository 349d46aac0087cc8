"""A linear support vector machine, by MLlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augury.distributed.classifiers import fit_linear

if TYPE_CHECKING:
    from augury.learning.fitting import Fitted
    from augury.learning.labels import Training

TITLE = "linear SVM"
PACKAGE = "pyspark"
EXTRA = "spark"

_PARAMETERS: dict[str, Any] = {"regParam": 1e-3, "maxIter": 50, "standardization": False}


def fit(training: Training, seed: int) -> Fitted:  # noqa: ARG001 - nothing is random
    """Fit the class "is asked for again before it would be evicted", by hinge loss."""
    from pyspark.ml.classification import LinearSVC

    estimator = LinearSVC(labelCol="again", weightCol="weight", **_PARAMETERS)
    return fit_linear(training, estimator, _PARAMETERS)
