"""What every source promises: it answers misses, many keys at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from augury.closing import AsyncClosing
from augury.errors import ConfigurationError
from augury.sources.threads import complete_in_thread

K = TypeVar("K")
V = TypeVar("V")


class Source(AsyncClosing, Generic[K, V]):
    """Answers what a cache has not got. Batch-first; a key that is not there is left out.

    An implementation has to write `load_many`, which every thread may call, and if it is `writable`
    `store_many` and `remove_many`. The coroutine methods run these in a thread, unless a source has
    something better, and then says so by `asynchronous`.
    """

    writable: bool = False
    """Whether `store_many` and `remove_many` work."""

    asynchronous: bool = False
    """Whether the coroutine methods do the work themselves, and so can be cancelled."""

    @abstractmethod
    def load_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there.

        Raises
        ------
        SourceError
            If it did not answer in time, or is given a rest.
        Exception
            Whatever else made loading fail: what a function raised, or a driver.
        """

    async def aload_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there."""
        return await complete_in_thread(self.load_many, keys)

    def store_many(self, items: Mapping[K, V]) -> None:  # noqa: ARG002
        """Write values by keys, all `items`: new ones or in place of old ones.

        Raises
        ------
        ConfigurationError
            If the source is not writable.
        """
        raise not_writable(self)

    async def astore_many(self, items: Mapping[K, V]) -> None:
        """Write values by keys, all `items`: new ones or in place of old ones."""
        await complete_in_thread(self.store_many, items)

    def remove_many(self, keys: Sequence[K]) -> None:  # noqa: ARG002
        """Delete keys; those that are not there do not matter.

        Raises
        ------
        ConfigurationError
            If the source is not writable.
        """
        raise not_writable(self)

    async def aremove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; those that are not there do not matter."""
        await complete_in_thread(self.remove_many, keys)

    def close(self) -> None:
        """Let go of connections and threads that the source has made itself. May be repeated."""

    async def aclose(self) -> None:
        """Let go of connections and threads that the source has made itself. May be repeated."""
        await complete_in_thread(self.close)


def not_writable(source: Source[K, V]) -> ConfigurationError:
    """Return the error for a write to a source that only reads."""
    return ConfigurationError(f"{source!r} is not writable")


def checked(source: Source[K, V], found: Mapping[K, V]) -> Mapping[K, V]:
    """Return what a source has returned, if that is a mapping."""
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"{source!r} must return a dict of the values that are there, not "
            f"{type(found).__name__}"
        )
    return found
