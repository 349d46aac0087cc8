"""The models that MLlib fits, one file each, found by discovery; as in `augury.learning.fits`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from augury.errors import ConfigurationError, MissingExtraError
from augury.learning.fits import Fit


def fit_names() -> list[str]:
    """Return the names of all models that MLlib fits, in alphabetical order.

    Examples
    --------
    >>> fit_names()
    ['forest', 'gbm', 'logistic', 'mlp', 'svm', 'tree']
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_fit(name: str) -> Fit:
    """Return a model's module by its name.

    Raises
    ------
    ConfigurationError
        If there is no model of that name.
    MissingExtraError
        If scikit-learn is not installed, which calibrates and evaluates.
    """
    if name not in fit_names():
        raise ConfigurationError(f"Spark fits no model {name!r}; it fits: {', '.join(fit_names())}")
    if find_spec("sklearn") is None:
        raise MissingExtraError("sklearn", "learn")
    return cast("Fit", import_module(f"{__name__}.{name}"))
