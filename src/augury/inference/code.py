"""The code of functions, as bytes that stand for it in every process."""

from __future__ import annotations

import inspect
import re
from functools import partial
from types import CodeType
from typing import Any


def add_function(digest: Any, function: Any) -> None:
    """Put name, code and defaults of a function into a digest; not what it refers to."""
    if isinstance(function, partial):
        add_function(digest, function.func)
        digest.update(_text((function.args, sorted(function.keywords.items()))))
        return
    function = inspect.unwrap(function)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    digest.update(f"{getattr(function, '__module__', '')}.{name}".encode())
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if isinstance(code, CodeType):
        _add_code(digest, code)
        digest.update(_text(getattr(function, "__defaults__", None)))


def _text(value: Any) -> bytes:
    """Return what stands for a value, less addresses, which are others in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value)).encode()


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
