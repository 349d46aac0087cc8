"""The scenes of the demonstration, one module each.

A scene's module has a `TITLE` and a function ``play(stage) -> Outcome``; nothing else has to know
that it is there.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Protocol, cast

from augury.demo.stage import Outcome, Stage
from augury.errors import ConfigurationError


class Scene(Protocol):
    """One thing that the demonstration shows."""

    TITLE: str

    def play(self, stage: Stage) -> Outcome:
        """Do it with real data, and return what came out."""


def scene_names() -> list[str]:
    """Return the names of all scenes, in alphabetical order.

    Examples
    --------
    >>> "keep" in scene_names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_scene(name: str) -> Scene:
    """Return a scene by its name.

    Raises
    ------
    ConfigurationError
        If there is no scene of that name.
    """
    if name not in scene_names():
        raise ConfigurationError(f"unknown scene {name!r}; there are: {', '.join(scene_names())}")
    return cast("Scene", import_module(f"{__name__}.{name}"))
