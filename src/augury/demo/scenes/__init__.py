"""The scenes of the demonstration, one module each.

A scene's module has a `TITLE` and a function ``play(stage) -> Outcome``; nothing else has to know
that it is there.
"""

from __future__ import annotations

from typing import Protocol, cast

from augury.demo.stage import Outcome, Stage
from augury.discovery import load_module, module_names


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
    return module_names(__name__)


def load_scene(name: str) -> Scene:
    """Return a scene by its name.

    Raises
    ------
    ConfigurationError
        If there is no scene of that name.
    """
    return cast("Scene", load_module(__name__, name, "scene"))
