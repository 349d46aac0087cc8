"""A decision tree, by scikit-learn: the model that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augury.learning.fitting import Fitted, Tree, forest

if TYPE_CHECKING:
    from augury.learning.labels import Training

TITLE = "decision tree"
PACKAGE = "sklearn"
EXTRA = "learn"

_PARAMETERS = {"max_leaf_nodes": 64, "min_samples_leaf": 20}


def fit(training: Training, seed: int) -> Fitted:
    """Fit one tree to the time to the next access, by squared error."""
    from sklearn.tree import DecisionTreeRegressor

    estimator = DecisionTreeRegressor(**_PARAMETERS, random_state=seed)
    estimator.fit(training.rows, training.time, sample_weight=training.weight)
    arrays, cover = forest([tree_of(estimator)], training.rows.shape[1])
    return Fitted("forest", arrays, estimator.predict, _PARAMETERS, cover)


def tree_of(estimator: Any, weight: float = 1.0) -> Tree:
    """Return a fitted tree of scikit-learn, its values times `weight`."""
    inside = estimator.tree_
    return Tree(
        feature=inside.feature,
        threshold=inside.threshold,
        left=inside.children_left,
        right=inside.children_right,
        value=inside.value[:, 0, 0] * weight,
        cover=inside.weighted_n_node_samples,
    )
