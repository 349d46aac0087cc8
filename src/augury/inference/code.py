"""The code of functions, as bytes that stand for it in every process."""

from __future__ import annotations

import re
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any


def add_function(digest: Any, function: Any) -> None:
    """Put name, code and defaults of a function into a digest; not what it refers to.

    Those of a function that it wraps as well, and of a callable object those of its class.
    """
    if isinstance(function, partial):
        add_function(digest, function.func)
        digest.update(_text((function.args, sorted(function.keywords.items()))))
        return
    name = getattr(function, "__qualname__", type(function).__qualname__)
    digest.update(f"{getattr(function, '__module__', '')}.{name}".encode())
    code = code_of(function)
    if code is not None:
        _add_code(digest, code)
        digest.update(_text(getattr(function, "__defaults__", None)))
        digest.update(_text(getattr(function, "__kwdefaults__", None)))
    if hasattr(function, "__wrapped__"):
        add_function(digest, function.__wrapped__)


def code_of(function: Any) -> CodeType | None:
    """Return the code that runs when a function, method or object is called; None: not Python's."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        function = getattr(type(function), "__call__", None)  # noqa: B004
    return getattr(function, "__code__", None)


def _text(value: Any) -> bytes:
    """Return what stands for a value, less addresses, which are others in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value)).encode()


def parts_of(function: Any) -> list[Any]:
    """Return what a function computes with besides its code, as far as it can be seen.

    Its defaults, what it encloses, and the global variables that it names, but no modules; of a
    method the object, of a partial its arguments. So, too, of the functions of its own module that
    are among these, and of one that it wraps.
    """
    parts: list[Any] = []
    _add_parts(parts, function, set())
    return parts


def _add_parts(parts: list[Any], function: Any, known: set[int]) -> None:
    if isinstance(function, partial):
        parts += [*function.args, *function.keywords.values()]
        _add_parts(parts, function.func, known)
        return
    if isinstance(function, MethodType):
        parts.append(function.__self__)
        function = function.__func__
    if hasattr(function, "__wrapped__"):
        _add_parts(parts, function.__wrapped__, known)
    if not isinstance(function, FunctionType):
        if isinstance(function, BuiltinFunctionType | type):
            return
        parts.append(function)
        function = getattr(type(function), "__call__", None)  # noqa: B004
    if not isinstance(function, FunctionType) or id(function) in known:
        return
    known.add(id(function))
    variables = function.__globals__
    named = [variables[name] for name in _names(function.__code__) if name in variables]
    used = [part for part in (*enclosed_by(function), *named) if not isinstance(part, ModuleType)]
    parts += [function.__defaults__, function.__kwdefaults__, *used]
    for part in used:
        if isinstance(part, FunctionType) and part.__globals__ is variables:
            _add_parts(parts, part, known)


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
