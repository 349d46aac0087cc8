"""Whatever is to be closed is a context manager that closes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """What `with` closes at its end."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Let go of what it holds. May be repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClosing(Closing):
    """What `async with` closes as well."""

    __slots__ = ()

    @abstractmethod
    async def aclose(self) -> None:
        """Do what `close` does, in a coroutine."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
