"""Gradient-boosted trees, by MLlib."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from augury.distributed.frames import training_frame
from augury.distributed.trees import fitted_trees
from augury.features import FEATURES

if TYPE_CHECKING:
    from augury.learning.fitting import Fitted
    from augury.learning.labels import Training

TITLE = "gradient boosting"
PACKAGE = "pyspark"
EXTRA = "spark"

_STAY = [feature.name for feature in FEATURES].index("stay")

# Fewer and deeper trees than the local model has: each level of each costs a job of Spark.
_PARAMETERS: dict[str, Any] = {
    "maxIter": 30,
    "maxDepth": 5,
    "stepSize": 0.2,
    "minInstancesPerNode": 100,
    "featureSubsetStrategy": "0.6",
    "maxBins": 256,
}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the trees to the time to the next access, by squared error."""
    from pyspark.ml.regression import GBTRegressor

    # A model of `stay` itself would know the sizes it was trained for, and no others.
    rows = training.rows.copy()
    rows[:, _STAY] = 0
    with training_frame(training, rows) as frame:
        estimator = GBTRegressor(labelCol="time", weightCol="weight", seed=seed, **_PARAMETERS)
        return fitted_trees(estimator.fit(frame), replace(training, rows=rows), _PARAMETERS)
