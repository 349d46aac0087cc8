"""A neural network, by MLlib: one hidden layer of logistic neurons."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.distributed.frames import predictions, training_frame
from augury.learning.fitting import Fitted, line_of_time, need_both_classes, standard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Training

TITLE = "neural network"
PACKAGE = "pyspark"
EXTRA = "spark"

_HIDDEN = 24
_PARAMETERS: dict[str, Any] = {"maxIter": 100, "blockSize": 512}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the class "is asked for again before it would be evicted".

    MLlib's network knows no weights of rows, so rows are drawn by their weights.
    """
    from pyspark.ml.classification import MultilayerPerceptronClassifier

    need_both_classes(training)
    mean, scale = standard(training.rows)
    drawn = _drawn(training, seed)
    estimator = MultilayerPerceptronClassifier(
        labelCol="again", layers=[training.rows.shape[1], _HIDDEN, 2], seed=seed, **_PARAMETERS
    )
    with training_frame(drawn, (drawn.rows - mean) / scale) as frame:
        model = estimator.fit(frame)

    def decide(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        raw = predictions(model, (rows - mean) / scale, "rawPrediction")
        return raw[:, 1] - raw[:, 0] if len(rows) else raw

    line = line_of_time(training, decide(training.rows))
    (inner, inner_bias), (outer, outer_bias) = _layers(
        model.weights.toArray(), [training.rows.shape[1], _HIDDEN, 2]
    )
    # The difference of the two outputs, on the line of times, is one output.
    arrays = {
        "weights0": inner,
        "bias0": inner_bias,
        "weights1": line.slope * (outer[1:] - outer[:1]),
        "bias1": line(outer_bias[1:] - outer_bias[:1]),
        "mean": mean,
        "scale": scale,
        "logistic": np.ones(1),
    }
    arrays = {name: np.ascontiguousarray(each, np.float32) for name, each in arrays.items()}
    return Fitted(
        "mlp",
        arrays,
        lambda rows: np.asarray(line(decide(rows))),
        {**_PARAMETERS, "hidden": _HIDDEN},
    )


def _drawn(training: Training, seed: int) -> Training:
    share = training.weight.astype(np.float64)
    random = np.random.default_rng(seed)
    chosen = random.choice(len(share), len(share), p=share / share.sum())
    return replace(
        training,
        rows=training.rows[chosen],
        time=training.time[chosen],
        again=training.again[chosen],
        weight=training.weight[chosen],
    )


def _layers(
    weights: NDArray[np.float64], widths: list[int]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Split what MLlib has in one vector: of each layer a matrix by columns, and biases."""
    layers = []
    at = 0
    for inputs, outputs in pairwise(widths):
        end = at + inputs * outputs
        layers.append((weights[at:end].reshape(inputs, outputs).T, weights[end : end + outputs]))
        at = end + outputs
    return layers
