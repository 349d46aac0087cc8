"""The public names: what packages list in `__all__`, and modules that are imported by name."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import augury
from augury.errors import MissingExtraError

UNLISTED = ("augury.errors", "augury.events")  # whatever they define is public
BY_NAME = "augury.integrations"  # its modules are imported by who uses the framework


def public_modules() -> Iterator[ModuleType]:
    """Every package that lists public names, and every module that is public by itself."""
    yield augury
    for found in pkgutil.walk_packages(augury.__path__, "augury."):
        if found.ispkg or found.name in UNLISTED or found.name.rpartition(".")[0] == BY_NAME:
            try:
                module = importlib.import_module(found.name)
            except MissingExtraError:
                continue
            except ModuleNotFoundError as missing:  # a framework that is not installed
                if missing.name is None or missing.name.startswith("augury"):
                    raise
                continue
            if found.name in UNLISTED or hasattr(module, "__all__"):
                yield module


def public_names(module: ModuleType) -> list[str]:
    """What a module lists, or else the classes and functions that it defines."""
    if module.__name__ not in UNLISTED:
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]
