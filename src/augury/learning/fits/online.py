"""Logistic regression learned row by row, in the order of the requests, by river: the baseline.

It sees each row once, as a model would that learns while the cache runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from augury.learning.fitting import Fitted, linear_time, need_both_classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Training

TITLE = "online logistic regression"
PACKAGE = "river"
EXTRA = "learn"

_MOST_ROWS = 30_000  # the newest: river takes about 0.1 ms a row
_PARAMETERS = {"learning_rate": 0.01, "l2": 1e-4, "rows": _MOST_ROWS}


def fit(training: Training, seed: int) -> Fitted:  # noqa: ARG001 - nothing is random
    """Fit the class "is asked for again before it would be evicted", by stochastic gradients."""
    from river import linear_model, optim, preprocessing

    need_both_classes(training)
    scaler = preprocessing.StandardScaler()
    estimator = linear_model.LogisticRegression(
        optim.SGD(_PARAMETERS["learning_rate"]), l2=_PARAMETERS["l2"]
    )
    newest = slice(-_MOST_ROWS, None)
    again, weights = training.again[newest].tolist(), training.weight[newest].tolist()
    for row, label, weight in zip(training.rows[newest].tolist(), again, weights, strict=True):
        named = dict(enumerate(row))
        scaler.learn_one(named)
        estimator.learn_one(scaler.transform_one(named), label, w=weight)
    columns = range(training.rows.shape[1])
    mean = np.array([scaler.means[column] for column in columns], np.float32)
    scale = np.sqrt([scaler.vars[column] for column in columns]).astype(np.float32)
    scale[~(scale > 1e-6 * np.maximum(1, np.abs(mean)))] = 1
    slopes = np.array([estimator.weights.get(column, 0.0) for column in columns])
    arrays, line = linear_time(training, slopes, float(estimator.intercept), mean, scale)

    def predict(rows: NDArray[Any]) -> NDArray[Any]:
        standardised = ((rows - mean) / scale).tolist()
        chances = [estimator.predict_proba_one(dict(enumerate(row)))[True] for row in standardised]
        inside = np.clip(chances, 1e-12, 1 - 1e-12)
        return np.asarray(line(np.log(inside / (1 - inside))))

    return Fitted("linear", arrays, predict, _PARAMETERS)
