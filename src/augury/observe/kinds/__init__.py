"""What can be observed: one file a kind, found by discovery; its `Watch` is called ``WATCH``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from augury.errors import ConfigurationError
from augury.observe.watch import Watch


@cache
def _kinds() -> tuple[type[Watch[Any]], ...]:
    return tuple(import_module(f"{__name__}.{each.name}").WATCH for each in iter_modules(__path__))


def kind_of(observed: object) -> type[Watch[Any]]:
    """Return what watches a thing.

    Raises
    ------
    ConfigurationError
        If it is nothing that can be observed.
    """
    for kind in _kinds():
        if kind.handles(observed):
            return kind
    raise ConfigurationError(
        f"a {type(observed).__name__} cannot be observed; caches, tiers, prefetchers, answers, "
        "cached models and advisors can"
    )
