"""Describes all keys of a configuration, from the sections themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from augury.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a configuration may have."""

    name: str
    """With the tables around it; NAME stands for a name that is yours, ``(redis)`` for a kind."""
    default: str
    """As TOML writes it; "none", or "required"."""
    meaning: str
    """In a line or two."""


def keys(kind: type[BaseModel] = Settings) -> list[Key]:
    """Return all keys of a configuration.

    Examples
    --------
    >>> next(key for key in keys() if key.name == "service.port")
    Key(name='service.port', default='8520', meaning='Port to listen on; 0 for any that is free.')
    """
    found: dict[str, Key] = {}
    for key in _keys(kind, ""):
        found.setdefault(key.name, key)  # a cache and several tiers have some in common
    return list(found.values())


def _keys(kind: type[BaseModel], before: str) -> Iterator[Key]:
    for name, field in kind.model_fields.items():
        sections = list(_sections(field.annotation, f"{before}{name}"))
        short = any(key == f"{before}{name}" for key, _ in sections) and field.default is None
        if not sections or short:
            yield Key(
                f"{before}{name}", _default(field), " ".join((field.description or "").split())
            )
        for key, section in sections:
            yield from _keys(section, f"{key}.")


def _sections(kind: Any, key: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Return the tables that a key may hold, and the names under which."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield key, kind
    elif origin is Annotated:
        yield from _sections(arguments[0], key)
    elif origin in (Union, UnionType):
        for member in arguments:
            tier = getattr(member, "model_fields", {}).get("kind")
            chosen = get_args(tier.annotation) if tier is not None else ()
            # A tier is chosen by its one kind, where a parameter may be of several.
            yield from _sections(member, f"{key}({chosen[0]})" if len(chosen) == 1 else key)
    elif origin is dict:
        yield from _sections(arguments[1], f"{key}.NAME")
    elif origin is tuple:
        yield from _sections(arguments[0], key)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = to_jsonable_python(field.get_default(call_default_factory=True))
    return "none" if value is None else json.dumps(value)
