"""Every error that Augury raises on purpose; all derive from `AuguryError`."""

from __future__ import annotations

from collections.abc import Sequence


class AuguryError(Exception):
    """Base of every error raised on purpose by Augury.

    Its text is one line that says what was wrong and what to do about it.
    """


class ConfigurationError(AuguryError, ValueError):
    """A parameter has a value that Augury cannot work with."""


class SettingsError(ConfigurationError):
    """A configuration file or the environment has mistakes: all of them, a line each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)
        """Each begins with the key, as in ``caches.users.capacity: must be ...``."""

    def __reduce__(self) -> tuple[type[SettingsError], tuple[tuple[str, ...]]]:
        return (type(self), (self.mistakes,))


class MissingExtraError(AuguryError, ImportError):
    """An optional package is not installed; the text names the extra to install."""

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


class CodecError(AuguryError, TypeError):
    """No codec in use can carry a value out of the process; the text names its type."""


class CorruptValueError(AuguryError, ValueError):
    """Stored bytes are damaged, truncated, foreign, tampered with, or of an unknown key."""


class InputError(AuguryError, ValueError):
    """What a model is asked about is ragged, of Python objects, or otherwise no rows of numbers."""


class OutputError(AuguryError, ValueError):
    """A model returned what cannot be cached: not a row for each row, or rows of Python objects."""


class QueryError(AuguryError, ValueError):
    """A query is not registered, or a parameter is unknown, missing, or of another type."""


class AccessError(QueryError, PermissionError):
    """A tenant asks a query that it may not ask, whether or not there is an answer."""


class BudgetError(AuguryError, RuntimeError):
    """A tenant's privacy budget does not suffice, or its file is damaged or not there.

    The text says how much is left and how much was needed.
    """


class OverloadError(AuguryError, RuntimeError):
    """More rows wait for a model than are allowed to; the text says how many."""


class SnapshotError(AuguryError, ValueError):
    """A snapshot of a cache is damaged, truncated, of another version, or no such file."""


class TierError(AuguryError, OSError):
    """A tier cannot do now what it was asked: it is down, hangs, is full or read-only."""


class InvalidationError(TierError):
    """A deletion may not have reached every tier, so that old values may still be served."""


class ServiceError(AuguryError, OSError):
    """A service of Augury does not answer, refuses, or is of another version."""


class SourceError(AuguryError, OSError):
    """A source did not answer in time, or is given a rest after it has failed too often."""


class StatusError(SourceError):
    """A web service answered with a status that is neither success nor absence.

    Parameters
    ----------
    text
        One line that says so.
    status
        The status, 503 for example.
    retry_after
        Seconds after which the service asks to be tried again, if it says so.
    """

    def __init__(self, text: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        """The status, 503 for example."""
        self.retry_after = retry_after
        """Seconds after which the service asks to be tried again, if it says so."""

    def __reduce__(self) -> tuple[type[StatusError], tuple[str, int, float | None]]:
        return (type(self), (str(self), self.status, self.retry_after))
