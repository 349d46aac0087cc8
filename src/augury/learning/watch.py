"""Follows the current version of a registry, so that a running cache gets it: back, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augury.errors import AuguryError, ConfigurationError
from augury.events import Learned, Step
from augury.models import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from augury.models import Artefact, Version


class RegistryWatch:
    """Notices that another version has become current.

    Parameters
    ----------
    registry
        Where models are published.

    Raises
    ------
    ConfigurationError
        If it is none.
    """

    def __init__(self, registry: Registry) -> None:
        if not isinstance(registry, Registry):
            raise ConfigurationError(
                f"registry must be an augury.models.Registry, not {registry!r}"
            )
        self._registry = registry
        self._seen: Version | None = None
        self._failed: str | None = None

    def publish(self, artefact: Artefact) -> int:
        """Make a model current, and return its version; it does not count as another's."""
        self._seen = self._registry.publish(artefact)
        return self._seen.number

    def look(self, use: Callable[[Artefact], object]) -> Learned | None:
        """Hand over the current version if it has changed; return what to tell of it, if anything.

        A version that cannot be used is told of once, and the former stays in use.
        """
        try:
            version = self._registry.current()
            if version is None or version == self._seen:
                return None
            use(self._registry.load(version.number))
        except (AuguryError, OSError) as error:
            told, self._failed = self._failed, str(error)
            if told == self._failed:
                return None
            return Learned(Step.FAILED, f"cannot follow {self._registry.place}: {error}")
        self._seen, self._failed = version, None
        return Learned(
            Step.FOLLOWED,
            f"version {version.number} of {self._registry.place} is in use",
            version=version.number,
        )
