"""Classes that list their fields: dataclasses, named tuples, attrs, msgspec, pydantic; and enums.

A subclass that says nothing itself is refused: what it adds to its base would not be in the key.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from operator import attrgetter
from typing import Any

from augury.keys.dispatch import ENCODERS, TOO_DEEP, Unencodable, content_encoder
from augury.keys.format import Encoder, Output, named, text, type_name

FIXED = False


def find(kind: type) -> Encoder | None:
    """Return the encoder of a class of one of these sorts."""
    if issubclass(kind, enum.Flag):
        return content_encoder(type_name(kind), attrgetter("_value_"))
    if issubclass(kind, enum.Enum):
        return content_encoder(type_name(kind), attrgetter("_name_"))
    for fields_of in (_dataclass, _named_tuple, _attrs, _msgspec, _pydantic):
        fields = fields_of(kind)
        if fields is not None:
            return _fields_encoder(kind, fields)
    return None


def _fields_encoder(kind: type, fields: tuple[str, ...]) -> Encoder:
    prefix = named(type_name(kind)) + b"{"
    keys = sorted((text(field), field) for field in fields)

    def encode_fields(value: Any, output: Output, room: int) -> None:
        if not room:
            raise Unencodable(value, TOO_DEEP)
        output.append(prefix)
        field = ""
        try:
            for key, field in keys:
                item = getattr(value, field)
                output.append(key)
                ENCODERS[type(item)](item, output, room - 1)
        except Unencodable as error:
            error.within(value, f".{field}")
            raise
        output.append(b"}")

    return encode_fields


def _dataclass(kind: type) -> tuple[str, ...] | None:
    if "__dataclass_fields__" not in kind.__dict__:
        return None
    return tuple(field.name for field in dataclasses.fields(kind) if field.compare)


def _named_tuple(kind: type) -> tuple[str, ...] | None:
    fields = getattr(kind, "_fields", None)
    # A subclass may add methods, but neither attributes nor another equality.
    plain = kind.__dictoffset__ == 0 and getattr(kind, "__eq__") is tuple.__eq__  # noqa: B009
    return fields if issubclass(kind, tuple) and isinstance(fields, tuple) and plain else None


def _attrs(kind: type) -> tuple[str, ...] | None:
    if "__attrs_attrs__" not in kind.__dict__:
        return None
    return tuple(field.name for field in kind.__dict__["__attrs_attrs__"] if field.eq)


def _msgspec(kind: Any) -> tuple[str, ...] | None:
    struct = _loaded("msgspec", "Struct")
    return kind.__struct_fields__ if struct and issubclass(kind, struct) else None


def _pydantic(kind: Any) -> tuple[str, ...] | None:
    model = _loaded("pydantic", "BaseModel")
    if not model or not issubclass(kind, model):
        return None
    return (*kind.model_fields, "__pydantic_extra__", "__pydantic_private__")


def _loaded(module: str, name: str) -> Any:
    """Return a class of a module if it is imported already: if not, no value is of that class."""
    return getattr(sys.modules.get(module), name, None)
