"""Classes of the user, carried field by field under a name that the user gave them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from augury.codecs.formats import full_name
from augury.errors import CodecError, ConfigurationError


class Record(NamedTuple):
    """How the objects of a class are taken apart and put together."""

    kind: type
    name: str
    apart: Callable[[Any], Any]
    together: Callable[[Any], Any]


BY_TYPE: dict[type, Record] = {}
BY_NAME: dict[str, Record] = {}


def register(kind: type, name: str) -> None:
    """Let codecs carry the objects of a class, by its fields, under a name.

    Only the name and the fields are stored. Bytes never make Python import anything: in a process
    that has not registered the name, or has other fields under it, the value counts as corrupt.
    Dataclasses, named tuples and enumerations are restored without running their `__init__`; a
    `msgspec.Struct` is called with its fields.

    Parameters
    ----------
    kind
        A dataclass, a `msgspec.Struct`, a class of `typing.NamedTuple`, or an `enum.Enum`. Its
        subclasses have to be registered themselves.
    name
        Stands for the class in stored bytes, so keep it when the class moves.

    Raises
    ------
    ConfigurationError
        If the class is of another sort, or either was registered with another partner before.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from augury.codecs import Serializer, register
    >>> @dataclass
    ... class Point:
    ...     x: int
    ...     y: int
    >>> register(Point, "example.Point")
    >>> serializer = Serializer()
    >>> serializer.loads(serializer.dumps([Point(1, 2)]))
    [Point(x=1, y=2)]
    """
    known = BY_TYPE.get(kind) or BY_NAME.get(name)
    if known is not None:
        if known.kind is kind and known.name == name:
            return
        raise ConfigurationError(
            f"{known.name!r} stands for {full_name(known.kind)} already; choose another name"
        )
    for sort in (_dataclass, _struct, _named_tuple, _enum):
        ways = sort(kind)
        if ways is not None:
            BY_NAME[name] = BY_TYPE[kind] = Record(kind, name, *ways)
            return
    raise ConfigurationError(
        f"{full_name(kind)} is no dataclass, msgspec.Struct, named tuple or enumeration whose "
        "fields are all that it has"
    )


_Ways = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _dataclass(kind: type) -> _Ways | None:
    if "__dataclass_fields__" not in kind.__dict__:  # a subclass may have more than its base tells
        return None
    names = tuple(field.name for field in dataclasses.fields(kind))
    known = frozenset(names)
    if _slots(kind) - known:
        return None
    try:
        object.__new__(kind)
    except TypeError:  # it is a dict, or some such, besides: that has more than the fields
        return None

    def together(content: dict[str, Any]) -> Any:
        value: Any = object.__new__(kind)
        for name, item in _exactly(content, known).items():
            object.__setattr__(value, name, item)  # as frozen ones refuse theirs
        return value

    return _fields_of(kind, names), together


def _struct(kind: Any) -> _Ways | None:
    if not issubclass(kind, msgspec.Struct):
        return None
    names = kind.__struct_fields__
    known = frozenset(names)
    return _fields_of(kind, names), lambda content: kind(**_exactly(content, known))


def _named_tuple(kind: Any) -> _Ways | None:
    names = getattr(kind, "_fields", None)
    if not issubclass(kind, tuple) or not isinstance(names, tuple) or kind.__dictoffset__:
        return None  # a subclass that has attributes besides its items
    known = frozenset(names)

    def together(content: dict[str, Any]) -> Any:
        fields = _exactly(content, known)
        return tuple.__new__(kind, [fields[name] for name in names])

    return lambda value: dict(zip(names, value, strict=True)), together


def _enum(kind: Any) -> _Ways | None:
    if not issubclass(kind, enum.Enum):
        return None

    def apart(value: Any) -> str:
        if kind.__members__.get(value._name_) is not value:  # several flags at once
            raise CodecError(f"no codec carries {value!r}, which has no name")
        return str(value._name_)

    return apart, lambda content: kind[content]


def _slots(kind: type) -> set[str]:
    slots: set[str] = set()
    for base in kind.__mro__:
        own = base.__dict__.get("__slots__", ())
        slots.update([own] if isinstance(own, str) else own)
    return slots - {"__dict__", "__weakref__"}


def _fields_of(kind: type, names: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
    known = {*names}
    for base in kind.__mro__:  # computed from the fields, and so again when asked for
        known.update(n for n, item in vars(base).items() if isinstance(item, cached_property))

    def apart(value: Any) -> dict[str, Any]:
        more = getattr(value, "__dict__", {}).keys() - known
        if more:
            raise CodecError(
                f"{full_name(type(value))} has {sorted(more)} besides its declared fields"
            )
        try:
            return {name: getattr(value, name) for name in names}
        except AttributeError as error:
            raise CodecError(f"a field is not set: {error}") from None

    return apart


def _exactly(content: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    if content.keys() != names:
        raise ValueError("other fields than the class has now")
    return content
