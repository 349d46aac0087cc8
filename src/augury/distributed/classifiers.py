"""Linear classifiers of MLlib as models of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from augury.distributed.frames import predictions, training_frame
from augury.learning.fitting import Fitted, linear_time, need_both_classes, standard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from augury.learning.labels import Training


def fit_linear(
    training: Training, estimator: Any, parameters: Mapping[str, bool | float | int | str]
) -> Fitted:
    """Fit a linear classifier to "is asked for again before it would be evicted".

    Parameters
    ----------
    training
        The rows, which are standardised first.
    estimator
        Of MLlib; it learns ``again`` by ``weight``.
    parameters
        What it was made with.

    Raises
    ------
    LearningError
        If all rows are of one class.
    """
    need_both_classes(training)
    mean, scale = standard(training.rows)
    with training_frame(training, (training.rows - mean) / scale) as frame:
        model = estimator.fit(frame)
    arrays, line = linear_time(
        training, model.coefficients.toArray(), float(model.intercept), mean, scale
    )

    def predict(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        decision = predictions(model, (rows - mean) / scale, "rawPrediction")
        return np.asarray(line(decision[:, 1] if len(rows) else decision))

    return Fitted("linear", arrays, predict, parameters)
