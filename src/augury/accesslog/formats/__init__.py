"""The trace formats, one a module; a new module is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from augury.accesslog.formats.contract import Format, Head
from augury.errors import ConfigurationError

__all__ = ["Format", "Head", "find", "formats", "recognise"]


@cache
def formats() -> dict[str, Format]:
    """Return all formats by name."""
    modules = (
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    )
    found = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {format.name: format for format in sorted(found, key=lambda format: format.name.lower())}


def find(name: str) -> Format:
    """Return the format of a name, in upper or lower case.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    for known, format in formats().items():
        if known.lower() == name.lower():
            return format
    raise ConfigurationError(f"unknown trace format {name!r}; there are: {', '.join(formats())}")


def recognise(head: Head, *, has_columns: bool = False) -> Format | None:
    """Return the format that a trace is in most likely, or None.

    Parameters
    ----------
    head
        The trace's beginning.
    has_columns
        Whether only formats with named columns come into question.
    """
    likelihoods = {
        format.name: format.likelihood(head)
        for format in formats().values()
        if format.has_columns or not has_columns
    }
    best = max(likelihoods, key=likelihoods.__getitem__)
    return formats()[best] if likelihoods[best] > 0.0 else None
