"""Which encoder writes which type, and what is said of a type that has none."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast

from augury.errors import ConfigurationError
from augury.keys.format import Encoder, Output, named, type_name

T = TypeVar("T")


class Unencodable(Exception):  # noqa: N818  never leaves the package: becomes a KeyEncodingError
    """A value has no key. Each container that it passes on its way out adds a step to `path`."""

    def __init__(self, value: object, reason: str) -> None:
        super().__init__(reason)
        self.value = value
        self.path: list[str] = []
        self.trail: list[object] = [value]

    def within(self, parent: object, step: str) -> None:
        """Note that the value lies in `parent`, where `step` leads from there."""
        self.path.append(step)
        self.trail.append(parent)
        self.value = parent


class Family(Protocol):
    """A module in `augury.keys.families`: encodes related types, each claimed by one family."""

    FIXED: bool
    """Whether the types are a library's, so that users cannot register other encodings."""

    def find(self, kind: type) -> Encoder | None:
        """Return the encoder of exactly this type, or None if it is another family's."""


def families(kind: type) -> tuple[Family, ...]:
    """Return the families that may know a type."""
    return _families("python") + _families(kind.__module__.partition(".")[0])


@functools.cache
def _families(package: str) -> tuple[Family, ...]:
    from augury.keys import families as folder

    return tuple(
        cast(Family, importlib.import_module(f"{folder.__name__}.{module.name}"))
        for module in pkgutil.iter_modules(folder.__path__)
        if module.name.partition("_")[0] == package
    )


class _Encoders(dict[type, Encoder]):
    """The encoder of each type met so far; finds those of others on first use."""

    def __missing__(self, kind: type) -> Encoder:
        encoder = _own_encoder(kind) or _family_encoder(kind) or _refuse
        self[kind] = encoder
        return encoder


ENCODERS = _Encoders()


def register(kind: type[T], function: Callable[[T], object], *, name: str | None = None) -> None:
    """Tell how to make keys from values of a type that Augury does not know.

    Parameters
    ----------
    kind
        The type. Its subclasses are other types: register each, or give the base a method
        ``__augury_key__(self)``, which they inherit and which does the same.
    function
        ``function(value)`` returns a value that Augury can encode and that is equal for equal
        values: often a tuple of what the type compares. The type's name is encoded with it, so
        values of two types never share a key.
    name
        What to call the type in keys, so that moving or renaming it changes none. By default
        ``"module:qualname"``.

    Raises
    ------
    ConfigurationError
        If `kind` is not a type, or one whose encoding Augury defines.

    Examples
    --------
    >>> from augury.keys import encode
    >>> class Money:
    ...     def __init__(self, amount, currency):
    ...         self.amount, self.currency = amount, currency
    >>> register(Money, lambda money: (money.amount, money.currency))
    >>> encode(Money(5, "EUR")) == encode(Money(5, "EUR")) != encode(Money(5, "USD"))
    True
    """
    if not isinstance(kind, type):
        raise ConfigurationError(f"register() takes a type, not {kind!r}")
    if not callable(function):
        raise ConfigurationError(f"register() takes a function of the value, not {function!r}")
    if any(family.FIXED and family.find(kind) for family in families(kind)):
        raise ConfigurationError(
            f"keys of {kind!r} are fixed by Augury; register a subclass or wrap the value"
        )
    ENCODERS[kind] = _content_encoder(named(name or type_name(kind)), function, "")


def _own_encoder(kind: type) -> Encoder | None:
    method = getattr(kind, "__augury_key__", None)
    if method is None:
        return None
    return _content_encoder(named(type_name(kind)), method, ".__augury_key__()")


def _family_encoder(kind: type) -> Encoder | None:
    for family in families(kind):
        encoder = family.find(kind)
        if encoder is not None:
            return encoder
    return None


def _content_encoder(prefix: bytes, content: Callable[[Any], object], step: str) -> Encoder:
    def encode_content(value: Any, output: Output, room: int) -> None:
        if not room:
            raise Unencodable(value, TOO_DEEP)
        inner = content(value)
        output.append(prefix)
        try:
            ENCODERS[type(inner)](inner, output, room - 1)
        except Unencodable as error:
            error.within(value, step)
            raise

    return encode_content


def content_encoder(name: str, content: Callable[[Any], object]) -> Encoder:
    """Return an encoder that writes a name and, in place of the value, ``content(value)``."""
    return _content_encoder(named(name), content, "")


def parts_encoder(name: str, parts: Callable[[Any], Iterable[tuple[str, object]]]) -> Encoder:
    """Return an encoder that writes a name and a tuple of the values that ``parts(value)`` yields.

    With each value it yields the step that leads there, for errors: ``(".index", frame.index)``.
    """
    prefix = named(name) + b"("

    def encode_parts(value: Any, output: Output, room: int) -> None:
        if not room:
            raise Unencodable(value, TOO_DEEP)
        output.append(prefix)
        step = ""
        try:
            for step, part in parts(value):  # noqa: B007  for the error
                ENCODERS[type(part)](part, output, room - 1)
        except Unencodable as error:
            if error.value is not value:
                error.within(value, step)
            raise
        output.append(b")")

    return encode_parts


TOO_DEEP = "too deep"

_READ_ONCE = "it can be read only once; pass a list of what it yields"
_NO_VALUE = "its code has no stable value; pass a name that stands for it"


def _refuse(value: object, _output: Output, _room: int) -> None:
    kind = type(value)
    problem = f"cannot make a stable key from {kind!r}"
    if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        raise Unencodable(value, f"{problem}: {_NO_VALUE}")
    if isinstance(value, Iterator):
        raise Unencodable(value, f"{problem}: {_READ_ONCE}")
    base = next((b for b in kind.__mro__[1:-1] if b.__module__ == "builtins"), None)
    if base is not None and base in ENCODERS:
        problem += f", a {base.__name__} that may compare in its own way"
    raise Unencodable(value, f"{problem}; register it with augury.keys.register")
