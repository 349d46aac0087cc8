"""A random forest, by MLlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augury.distributed.frames import training_frame
from augury.distributed.trees import fitted_trees

if TYPE_CHECKING:
    from augury.learning.fitting import Fitted
    from augury.learning.labels import Training

TITLE = "random forest"
PACKAGE = "pyspark"
EXTRA = "spark"

_PARAMETERS: dict[str, Any] = {
    "numTrees": 32,
    "maxDepth": 6,
    "minInstancesPerNode": 20,
    "featureSubsetStrategy": "0.5",
    "subsamplingRate": 0.5,
    "maxBins": 128,
}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the forest to the time to the next access, by squared error."""
    from pyspark.ml.regression import RandomForestRegressor

    with training_frame(training, training.rows) as frame:
        estimator = RandomForestRegressor(
            labelCol="time", weightCol="weight", seed=seed, **_PARAMETERS
        )
        return fitted_trees(estimator.fit(frame), training, _PARAMETERS)
