"""The models that can be fitted, one file each, found by discovery.

A module here has a `TITLE`, the `PACKAGE` that fits it and the `EXTRA` that installs that, and a
function ``fit(training, seed) -> Fitted``; nothing else has to know that it is there. The package
is imported inside `fit`, for it takes seconds and may be missing.
"""

from __future__ import annotations

from typing import Protocol, cast

from augury.discovery import load_module, module_names, require
from augury.learning.fitting import Fitted
from augury.learning.labels import Training


class Fit(Protocol):
    """One kind of model."""

    TITLE: str
    """As people call it."""
    PACKAGE: str
    """What fits it."""
    EXTRA: str
    """What installs that: ``pip install 'augury[EXTRA]'``."""

    def fit(self, training: Training, seed: int) -> Fitted:
        """Fit the model to rows of the past."""


def fit_names() -> list[str]:
    """Return the names of all models, in alphabetical order.

    Examples
    --------
    >>> fit_names()
    ['forest', 'gbm', 'logistic', 'mlp', 'online', 'svm', 'tree']
    """
    return module_names(__name__)


def load_fit(name: str) -> Fit:
    """Return a model's module by its name.

    Raises
    ------
    ConfigurationError
        If there is no model of that name.
    MissingExtraError
        If the package that fits it is not installed.
    """
    fit = cast("Fit", load_module(__name__, name, "model"))
    # Without scikit-learn nothing can be calibrated or evaluated, whatever fits the model.
    require("sklearn", "learn")
    require(fit.PACKAGE, fit.EXTRA)
    return fit
