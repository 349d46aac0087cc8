"""Says what is wrong with a configuration: a line each, which begins with the key."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from augury.parameters import shown

Location = tuple[int | str, ...]

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "path": "a path",
    "dict": "a table",
    "model": "a table",
    "tuple": "a list",
    "list": "a list",
    "literal": "one of {expected}",
    "union_tag": "one of {expected_tags}",
    "finite_number": "a finite number",
}
"""What pydantic expected, by the beginning of the error's type."""
_LIMITS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "string_pattern_mismatch": "64 digits in hex, as `augury config token` prints",
    "string_too_short": "at least {min_length} characters",
    "too_short": "a list of at least {min_length}",
}


def told(kind: type[BaseModel], error: ValidationError) -> list[str]:
    """Return a line for each mistake, in the order of the keys."""
    # A value that fits no member of a union is told of once a member.
    errors = (each for each in error.errors(include_url=False) if not _follows(each))
    return list(dict.fromkeys(_line(kind, each) for each in errors))


def _follows(error: ErrorDetails) -> bool:
    """Return whether a list is only too short because items of it are wrong, which is told."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def near(name: str, known: Sequence[str]) -> str:
    """Return a hint at the known name that is nearest to an unknown one, or at all of them.

    Examples
    --------
    >>> near("capcity", ["capacity", "policy"])
    "did you mean 'capacity'?"
    >>> near("x", ["capacity", "policy"])
    'there are: capacity, policy'
    """
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"


def _line(kind: type[BaseModel], error: ErrorDetails) -> str:
    location = error["loc"]
    steps, _ = _at(kind, location)
    key = ".".join(steps)
    type_ = error["type"]
    context: dict[str, Any] = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in error.get("ctx", {}).items()
    }
    if type_ == "extra_forbidden":
        _, section = _at(kind, location[:-1])
        return f"{key}: is unknown; {near(str(location[-1]), list(section.model_fields))}"
    if type_ == "missing":
        return f"{key}: is missing; it has to be given"
    if type_ == "union_tag_not_found":
        return f"{key}.{context['discriminator'].strip(chr(39))}: is missing; it has to be given"
    if type_ == "value_error":
        return f"{key}: {context['error']}"
    expected = _LIMITS.get(type_) or next(
        (text for start, text in _KINDS.items() if type_.startswith(start)), None
    )
    if expected is None:
        return f"{key}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    if type_ == "union_tag_invalid":
        key += f".{context['discriminator'].strip(chr(39))}"
    return f"{key}: must be {expected.format(**context)}{_instead(error)}"


def _instead(error: ErrorDetails) -> str:
    given = error["input"]
    if error["type"] == "union_tag_invalid":
        given = error["ctx"]["tag"]
    # Neither a password in an address nor a table with one in it belongs into a log.
    hidden = isinstance(given, dict | list) or ":" in str(given)
    return "" if hidden else f", not {shown(given)}"


def _at(kind: Any, location: Location) -> tuple[list[str], Any]:
    """Return the key that a location stands for, and what is expected there.

    Between keys pydantic says which member of a union it took, and after them what it tried.
    """
    key: list[str] = []
    for step in location:
        if step == "[key]":  # the name itself, which is there already
            continue
        kind = _bare(kind)
        origin = get_origin(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            key.append(str(step))
            field = kind.model_fields.get(str(step))
            kind = None if field is None else field.annotation
        elif origin in (dict, tuple):
            key.append(str(step))
            kind = get_args(kind)[-1 if origin is dict else 0]
        elif origin in (Union, UnionType):
            kind = next((member for member in get_args(kind) if _tag(member) == step), None)
    return key, _bare(kind)


def _bare(kind: Any) -> Any:
    """Return a type without its annotations, and without None if there is one other."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        others = [each for each in get_args(kind) if each is not type(None)]
        return _bare(others[0]) if len(others) == 1 else kind
    return kind


def _tag(member: Any) -> str | None:
    """Return what a member of a union is chosen by."""
    for each in get_args(member)[1:] if get_origin(member) is Annotated else ():
        if isinstance(each, Tag):
            return each.tag
    model = _bare(member)
    if isinstance(model, type) and issubclass(model, BaseModel) and "kind" in model.model_fields:
        return str(get_args(model.model_fields["kind"].annotation)[0])
    return None
