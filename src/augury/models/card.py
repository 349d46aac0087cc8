"""What a model's file says about the model."""

from __future__ import annotations

import msgspec


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model comes from, and how good it was.

    Everything is for people and for comparisons; scoring needs none of it.
    """

    model: str
    """What was fitted, as `augury.learn` takes it: ``"gbm"``, ``"logistic"`` ..."""
    data: str
    """Name of the trace."""
    created: str
    """When it was trained: UTC, ISO 8601."""
    requests: int
    """Requests of the whole trace."""
    period: tuple[int, int]
    """First request that was learned from, and the first that was not."""
    rows: int
    """Rows learned from: a sample of the requests of the period."""
    censored: float
    """Share of the sampled rows of which the period's end hid the next request, 0.0 to 1.0."""
    horizon: float
    """Requests beyond which no next access was told apart from never."""
    calibration: tuple[float, float]
    """Intercept a and slope b of the probability that a key is asked for again before LRU would
    evict it, 1 / (1 + exp(-(a + b * score)))."""
    scores: dict[str, dict[str, float]]
    """Of ``"validation"`` (forward-chaining, within the period) and, if there is something after
    the period, ``"test"``: accuracy, precision, recall, f1, roc_auc, brier ..."""
    parameters: dict[str, bool | float | int | str]
    """What the model was fitted with."""
    seed: int
    """Of all random choices."""
    versions: dict[str, str]
    """Of Augury, and of the libraries that fitted the model."""
