"""The models that can be fitted, one file each, found by discovery.

A module here has a `TITLE`, the `PACKAGE` that fits it and the `EXTRA` that installs that, and a
function ``fit(training, seed) -> Fitted``; nothing else has to know that it is there. The package
is imported inside `fit`, for it takes seconds and may be missing.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from augury.errors import ConfigurationError, MissingExtraError
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
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_fit(name: str) -> Fit:
    """Return a model's module by its name.

    Raises
    ------
    ConfigurationError
        If there is no model of that name.
    MissingExtraError
        If the package that fits it is not installed.
    """
    if name not in fit_names():
        raise ConfigurationError(f"unknown model {name!r}; there are: {', '.join(fit_names())}")
    fit = cast("Fit", import_module(f"{__name__}.{name}"))
    # Without scikit-learn nothing can be calibrated or evaluated, whatever fits the model.
    for package, extra in (("sklearn", "learn"), (fit.PACKAGE, fit.EXTRA)):
        if not _installed(package):
            raise MissingExtraError(package, extra)
    return fit


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # its place in sys.modules is taken by None
        return False
