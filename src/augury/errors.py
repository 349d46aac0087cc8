"""Every error that Augury raises on purpose; all derive from `AuguryError`."""

from __future__ import annotations


class AuguryError(Exception):
    """Base of every error raised on purpose by Augury.

    Its text is one line that says what was wrong and what to do about it.
    """


class ConfigurationError(AuguryError, ValueError):
    """A parameter has a value that Augury cannot work with."""


class MissingExtraError(AuguryError, ImportError):
    """An optional dependency is not installed; the text names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; install it with: pip install 'augury[{extra}]'"
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return (type(self), (self.package, self.extra))


class KeyEncodingError(AuguryError, TypeError):
    """A value has no stable encoding as a cache key; the text names the argument."""


class TraceError(AuguryError, ValueError):
    """A trace is empty, truncated, of an unknown format or has too many malformed records."""


class ArtefactError(AuguryError, ValueError):
    """A file of a model is damaged, of another version, for other features, or no such file."""


class LearningError(AuguryError, ValueError):
    """A trace has too little in it, or nothing at all, that a model could learn from."""


class LoadCycleError(AuguryError, RuntimeError):
    """A loader waits, directly or through other threads, for its own result."""
