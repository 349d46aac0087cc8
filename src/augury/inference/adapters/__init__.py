"""One file a kind of model, found by discovery: each has a function ``adapt``.

``adapt(model, method)`` returns an `Adapter`, or None if the model is not of its kind. ``RANK``
says who is asked first, from the lowest; functions of any kind come last.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from augury.errors import ConfigurationError
from augury.inference.adapters.contract import Adapter, Batch, Outputs

__all__ = ["Adapter", "Batch", "Outputs", "adapter_of"]


@cache
def _kinds() -> tuple[ModuleType, ...]:
    found = [
        import_module(f"{__name__}.{each.name}")
        for each in iter_modules(__path__)
        if each.name != "contract"
    ]
    return tuple(sorted(found, key=lambda module: (module.RANK, module.__name__)))


def adapter_of(model: Any, method: str | None) -> Adapter:
    """Return what makes a method of a model cacheable.

    Parameters
    ----------
    model
        A scikit-learn estimator, PyTorch module, ONNX Runtime session, LightGBM booster, any
        function of rows, or an `Adapter` of a method, which is returned.
    method
        Its name, or None for the one that such models are usually called by.

    Raises
    ------
    ConfigurationError
        If it is no model, or has no such method.
    """
    if isinstance(model, Adapter):
        return model
    if isinstance(model, type):
        raise ConfigurationError(f"{model.__name__} is a class; pass an object of it as the model")
    for kind in _kinds():
        adapter: Adapter | None = kind.adapt(model, method)
        if adapter is not None:
            return adapter
    raise ConfigurationError(
        f"a model is an estimator, a module, a session or a function of rows, not "
        f"{type(model).__name__}"
    )
