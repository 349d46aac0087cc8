"""A random forest, by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augury.learning.fits.tree import tree_of
from augury.learning.fitting import Fitted, forest

if TYPE_CHECKING:
    from augury.learning.labels import Training

TITLE = "random forest"
PACKAGE = "sklearn"
EXTRA = "learn"

# Small trees: each costs the cache a walk from root to leaf a row.
_PARAMETERS = {
    "n_estimators": 32,
    "max_leaf_nodes": 64,
    "min_samples_leaf": 20,
    "max_features": 0.5,
    "max_samples": 0.5,
}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the forest to the time to the next access, by squared error."""
    from sklearn.ensemble import RandomForestRegressor

    estimator = RandomForestRegressor(**_PARAMETERS, random_state=seed)
    estimator.fit(training.rows, training.time, sample_weight=training.weight)
    share = 1 / len(estimator.estimators_)
    arrays, cover = forest(
        (tree_of(tree, share) for tree in estimator.estimators_), training.rows.shape[1]
    )
    return Fitted("forest", arrays, estimator.predict, _PARAMETERS, cover)
