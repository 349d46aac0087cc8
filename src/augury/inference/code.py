"""The code of functions, as bytes that stand for it in every process."""

from __future__ import annotations

import re
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any


def add_function(digest: Any, function: Any) -> None:
    """Put name, code and defaults of a function into a digest; not what it refers to."""
    if isinstance(function, partial):
        add_function(digest, function.func)
        digest.update(_text((function.args, sorted(function.keywords.items()))))
        return
    name = getattr(function, "__qualname__", type(function).__qualname__)
    digest.update(f"{getattr(function, '__module__', '')}.{name}".encode())
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if isinstance(code, CodeType):
        _add_code(digest, code)
        digest.update(_text(getattr(function, "__defaults__", None)))
        digest.update(_text(getattr(function, "__kwdefaults__", None)))
    if hasattr(function, "__wrapped__"):
        add_function(digest, function.__wrapped__)


def _text(value: Any) -> bytes:
    """Return what stands for a value, less addresses, which are others in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value)).encode()


def parts_of(function: Any) -> list[Any]:
    """Return what a function computes with besides its code, as far as it can be seen.

    Its defaults, what it encloses, and the global variables that it names, but no modules; of a
    method the object, of a partial its arguments.
    """
    if isinstance(function, partial):
        return [*parts_of(function.func), *function.args, *function.keywords.values()]
    if isinstance(function, MethodType):
        return [function.__self__, *parts_of(function.__func__)]
    if not isinstance(function, FunctionType):
        if hasattr(function, "__wrapped__"):  # such as by lru_cache
            return parts_of(function.__wrapped__)
        return [] if isinstance(function, BuiltinFunctionType | type) else [function]
    known = function.__globals__
    named = [known[name] for name in _names(function.__code__) if name in known]
    parts = [function.__defaults__, function.__kwdefaults__, *enclosed_by(function), *named]
    if hasattr(function, "__wrapped__"):
        parts += parts_of(function.__wrapped__)
    return [part for part in parts if not isinstance(part, ModuleType)]


def _names(code: CodeType) -> dict[str, None]:
    """Return the names in a code, some of which are global variables, in their order."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def enclosed_by(function: Any) -> tuple[Any, ...]:
    """Return what a function has taken along of where it was defined, less what is not set yet."""
    cells = getattr(function, "__closure__", None) or ()
    return tuple(cell.cell_contents for cell in cells if cell != CellType())


def _add_code(digest: Any, code: CodeType) -> None:
    digest.update(code.co_code)
    digest.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        elif isinstance(constant, frozenset):  # in another order in every process
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())
