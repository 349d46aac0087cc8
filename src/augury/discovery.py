"""Kinds of things that are a file each of a package, found by looking into it."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from augury.errors import ConfigurationError, MissingExtraError
from augury.parameters import shown


def module_names(package: str) -> list[str]:
    """Return the names of a package's modules, in alphabetical order; none is imported.

    Parameters
    ----------
    package
        The package's whole name: what its own ``__name__`` says.

    Examples
    --------
    >>> import augury.learning.fits
    >>> module_names("augury.learning.fits")
    ['forest', 'gbm', 'logistic', 'mlp', 'online', 'svm', 'tree']
    """
    return sorted(module.name for module in pkgutil.iter_modules(sys.modules[package].__path__))


def load_module(package: str, name: str, kind: str) -> ModuleType:
    """Import one of a package's modules.

    Parameters
    ----------
    package
        The package's whole name.
    name
        The module's name in it.
    kind
        What users call such a thing.

    Raises
    ------
    ConfigurationError
        If there is none of that name.

    Examples
    --------
    >>> import augury.learning.fits
    >>> load_module("augury.learning.fits", "tree", "model").TITLE
    'decision tree'
    >>> load_module("augury.learning.fits", "fern", "model")
    Traceback (most recent call last):
    ...
    augury.errors.ConfigurationError: unknown model 'fern'; there are: forest, gbm, logistic, ...
    """
    names = module_names(package)
    if not isinstance(name, str) or name not in names:
        raise ConfigurationError(f"unknown {kind} {shown(name)}; there are: {', '.join(names)}")
    return import_module(f"{package}.{name}")


def require(package: str, extra: str) -> None:
    """Make sure that an optional package is installed; it is not imported.

    Raises
    ------
    MissingExtraError
        If it is not.

    Examples
    --------
    >>> require("numpy", "learn")
    >>> require("nowhere", "learn")
    Traceback (most recent call last):
    ...
    augury.errors.MissingExtraError: nowhere is not installed; install it with: pip install ...
    """
    try:
        found = find_spec(package) is not None
    except ValueError:  # its place in sys.modules is taken by None
        found = False
    if not found:
        raise MissingExtraError(package, extra)
