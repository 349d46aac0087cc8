"""A PyTorch module whose first layers are cached, and whose last are run."""

from __future__ import annotations

import importlib
import inspect
import operator
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from augury.cache import Cache
from augury.errors import ConfigurationError, InputError, MissingExtraError
from augury.inference.model import CachedModel
from augury.inference.splitting import Split, split
from augury.inference.stats import InferenceStats
from augury.loading import Ttl
from augury.parameters import check_instance
from augury.tiers import Tiers


class CachedLayers:
    """A module that reuses what its layers up to one of them, its body, have computed of a row.

    What comes after that one, the head, is run on each call, as it is then: it may be trained,
    with gradients for its own weights, or replaced, while the body's outputs are reused. They
    belong to the body's weights only.

    Parameters
    ----------
    model
        A `torch.nn.Module`. Its body has to be in evaluation mode; its head need not.
    at
        The dotted name of the last module of the body, such as ``"backbone"`` or ``"layers.3"``;
        rows have to pass through it exactly once.
    cache
        Where what it returns is kept; also what else the head needs of the body.
    version, verify, ttl, bypass
        As of `CachedModel`.

    Raises
    ------
    MissingExtraError
        If the package ``torch`` is not installed.
    ConfigurationError
        If the model has no such module, or cannot be split there, for which `torch.fx` has to be
        able to trace the modules that contain it.

    Notes
    -----
    The code of the containing modules is traced here and again when one of them has got another
    part or attribute, or other parameters are given. What it reads of anything else, such as a
    global variable, has to remain as it was. `torch.fx` traces for the whole process: no other
    thread may run a module meanwhile.

    Examples
    --------
    >>> import torch                                                          # doctest: +SKIP
    >>> model = torch.nn.Sequential(body, torch.nn.Linear(512, 10)).eval()    # doctest: +SKIP
    >>> layers = CachedLayers(model, "0", Cache(100_000))                     # doctest: +SKIP
    >>> layers(images)  # runs both                                           # doctest: +SKIP
    >>> model[1] = torch.nn.Linear(512, 20)                                   # doctest: +SKIP
    >>> layers(images)  # runs the new head only                              # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any,
        at: str,
        cache: Cache[Any, Any] | Tiers[Any, Any],
        *,
        version: str = "",
        verify: str = "digest",
        ttl: Ttl = None,
        bypass: bool = True,
    ) -> None:
        try:
            torch = importlib.import_module("torch")
        except ImportError:
            raise MissingExtraError("torch", "torch") from None
        if not isinstance(model, torch.nn.Module):
            raise ConfigurationError(
                f"layers are those of a torch.nn.Module, not of a {type(model).__name__}"
            )
        check_instance("at", at, str)
        self.model = model
        self.at = at
        self.stats = InferenceStats()
        """Of the body."""
        self._cache = cache
        self._options: dict[str, Any] = {
            "version": version, "verify": verify, "ttl": ttl, "bypass": bypass,
        }  # fmt: skip
        self._signature = inspect.signature(model.forward)
        self._lock = threading.Lock()
        self._parts: _Parts | None = None
        required = inspect.Parameter.empty
        self._current(
            tuple(n for n, each in self._signature.parameters.items() if each.default is required)
        )

    def __call__(self, *tensors: Any, **named: Any) -> Any:
        """Return what the model returns for these tensors of rows."""
        try:
            given = dict(self._signature.bind(*tensors, **named).arguments)
        except TypeError as error:
            raise InputError(f"{type(self.model).__name__} cannot take this: {error}") from None
        torch = importlib.import_module("torch")
        for name, value in given.items():
            if not isinstance(value, torch.Tensor):
                raise InputError(f"{name} must be a tensor of rows, not a {type(value).__name__}")
        parts = self._current(tuple(given))
        held = parts.body(tuple(given[name] for name in parts.split.body_inputs))
        return parts.split.head(*held, *(given[name] for name in parts.split.head_inputs))

    def changed(self) -> None:
        """Tell that the model has changed in a way that goes unnoticed, such as by its arrays."""
        with self._lock:
            self._parts = None

    def _current(self, names: tuple[str, ...]) -> _Parts:
        """Return body and head of the model as it is now."""
        containers = self._containers()
        seen = [value for each in containers for value in _attributes(each)]
        with self._lock:
            parts = self._parts
            if parts is None or parts.names != names or not _same(parts.seen, seen):
                made = split(self.model, self.at, containers, names)
                body = CachedModel(made.body, self._cache, stats=self.stats, **self._options)
                parts = self._parts = _Parts(names, seen, made, body)
            return parts

    def _containers(self) -> list[Any]:
        """Return the modules that contain the one to split at, from the outermost."""
        module, containers = self.model, []
        for name in self.at.split("."):
            containers.append(module)
            module = module._modules.get(name)
            if module is None:
                raise ConfigurationError(
                    f"{type(self.model).__name__} has no module {self.at!r}; its own are "
                    f"{', '.join(self.model._modules) or 'none'}"
                )
        return containers


@dataclass(frozen=True, slots=True)
class _Parts:
    names: tuple[str, ...]
    """Of the parameters that were given."""
    seen: list[Any]
    """The attributes of the containing modules when they were traced."""
    split: Split
    body: CachedModel


def _attributes(module: Any) -> Iterator[Any]:
    for value in vars(module).values():
        yield value
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(map(operator.is_, first, second))
