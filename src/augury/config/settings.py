"""A whole configuration, and how it is read."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from augury.config.mistakes import near
from augury.config.reading import Read, read
from augury.config.sections.advisors import AdvisorSection
from augury.config.sections.answers import AnswersSection
from augury.config.sections.caches import AnyCache, CacheSection, TiersSection
from augury.config.sections.section import LocalPath, Name, Section
from augury.config.sections.service import Scope, Service, Token
from augury.config.sections.training import Training

__all__ = ["CacheSection", "Scope", "Service", "Settings", "TiersSection", "Token", "load_settings"]


class Settings(Section):
    """A whole configuration. A section is a file of `augury.config.sections`, and a line here."""

    registry: LocalPath | None = None
    """Folder of the models that the API lists, activates and rolls back."""
    service: Service = Service()
    """The HTTP server."""
    caches: dict[Name, AnyCache] = Field(default_factory=dict)
    """What may be read and written, by name."""
    answers: dict[Name, AnswersSection] = Field(default_factory=dict)
    """Registered queries, by the name of what answers them."""
    advisors: dict[Name, AdvisorSection] = Field(default_factory=dict)
    """Advice for caches that are not Augury's, by name."""
    training: Training = Training()
    """Jobs that learn."""


def load_settings(path: Path | None = None) -> Settings:
    """Read a configuration from a TOML file, and the environment over it.

    Parameters
    ----------
    path
        The file. By default the one that the environment's ``AUGURY_CONFIG`` names, else
        ``augury.toml`` in the working directory if it is there, else none.

    Returns
    -------
    Settings
        All defaults filled in.

    Raises
    ------
    SettingsError
        If it cannot be read, or has mistakes; the text names all of them.
    """
    return read_settings(path).settings


def read_settings(path: Path | None = None) -> Read[Settings]:
    """Do what `load_settings` does, and say where each value comes from."""
    return read(Settings, path, _dangling)


def _dangling(settings: Settings) -> list[str]:
    """Return a line for each name of something that another section should have and has not."""
    caches = list(settings.caches)
    mistakes = [
        f"service.tokens.{name}.caches: there is no cache {cache!r}; {near(cache, caches)}"
        for name, token in settings.service.tokens.items()
        for cache in token.caches
        if cache != "*" and cache not in settings.caches
    ]
    for name, answers in settings.answers.items():
        if answers.cache is not None and answers.cache not in settings.caches:
            mistakes.append(
                f"answers.{name}.cache: there is no cache {answers.cache!r}; "
                f"{near(answers.cache, caches)}"
            )
    for name, cache in settings.caches.items():
        if not isinstance(cache, CacheSection):
            continue
        if cache.registry and settings.registry is None:
            mistakes.append(f"caches.{name}.registry: give registry, a folder, at the beginning")
        if cache.record and settings.training.folder is None:
            mistakes.append(f"caches.{name}.record: give training.folder, where requests go")
    return mistakes
