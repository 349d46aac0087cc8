"""What stands for Python objects: a digest of all that is in them, and the identity of parts."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from hashlib import blake2b
from types import FunctionType
from typing import Any

from augury import _native
from augury.inference.code import add_function, enclosed_by

UNWRITABLE = (pickle.PicklingError, TypeError, AttributeError)
"""What `digest_of` raises of what cannot be pickled."""

_PLAIN = (int, float, str, bytes)
_DEEPEST = 3  # estimators within estimators whose attributes are compared


def digest_of(value: Any) -> bytes:
    """Return 16 bytes that stand for what is in an object, and in all that it refers to.

    Raises
    ------
    PicklingError, TypeError, AttributeError
        If it cannot be pickled; see `UNWRITABLE`.
    """
    try:
        # What is referred to twice is written twice: whether two equal parts are one object
        # differs between a model that was fitted and the same one read from a file.
        return _written(value, fast=True)
    except (ValueError, RecursionError):  # it refers to itself
        return _written(value, fast=False)


def _written(value: Any, *, fast: bool) -> bytes:
    digest = blake2b(digest_size=16)
    writer = _Writer(_Sink(digest), protocol=5)
    writer.fast = fast
    writer.dump(value)
    return digest.digest()


class _Writer(pickle.Pickler):
    """Writes a model to be digested: nothing is ever unpickled.

    A function is written as its code and what it encloses, not by its name only.
    """

    def reducer_override(self, value: Any) -> Any:
        """Return how to write a value."""
        if not isinstance(value, FunctionType):
            return NotImplemented
        digest = blake2b(digest_size=16)
        add_function(digest, value)
        return (
            bytes,
            (digest.digest(),),
            (enclosed_by(value), value.__defaults__, value.__kwdefaults__),
        )


class _Sink:
    """A file whose bytes go into a digest."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def write(self, data: bytes | pickle.PickleBuffer) -> int:
        """Add data: bytes, or the memory of a large array."""
        self._digest.update(data)
        return memoryview(data).nbytes


class Attributes:
    """Estimators, their attributes and those of estimators in them, compared by identity.

    Numbers and texts are compared by value. Fitting replaces attributes, or elements of lists; it
    keeps those alive that it compares, so that none can come back at the address of another. Of
    `others` no attributes are compared.
    """

    __slots__ = ("_containers", "_seen")

    def __init__(
        self, models: list[Any], deep: int = _DEEPEST, *, others: Sequence[Any] = ()
    ) -> None:
        self._seen: list[Any] = [*models, *others]
        self._containers: list[tuple[Any, tuple[Any, ...]]] = []
        for model in models:
            if hasattr(model, "__dict__"):  # else it is a step to be passed through
                self._walk(model, deep)

    def _walk(self, value: Any, deep: int) -> None:
        seen = self._seen
        for each in self._held(value, vars(value)):
            if isinstance(each, list | tuple):
                seen += (type(each), len(each))  # some estimators make an equal list in each call
                for element in self._held(each, each):
                    seen.append(element)
                    if isinstance(element, tuple):  # a named step, perhaps with its columns
                        seen.extend(element)
                        for part in element:
                            if deep and hasattr(part, "get_params"):
                                self._walk(part, deep - 1)
                continue
            seen.append(each)
            if isinstance(each, dict):
                seen.extend(self._held(each, each))
            elif deep and hasattr(each, "get_params"):
                self._walk(each, deep - 1)

    def _held(self, container: Any, inside: Any) -> tuple[Any, ...]:
        # A copy: a fit in another thread may add some.
        held = tuple(inside.values() if isinstance(inside, dict) else inside)
        self._containers.append((container, held))
        return held

    def holds(self) -> bool:
        """Return whether all is as it was, the very same objects; False does not say it changed."""
        return _native.unchanged(self._containers)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Attributes) or len(self._seen) != len(other._seen):
            return False
        return all(
            mine is its or (type(mine) in _PLAIN and type(mine) is type(its) and mine == its)
            for mine, its in zip(self._seen, other._seen, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]
