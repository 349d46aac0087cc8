"""Keys of calls: however the arguments are given, the same call has the same key."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from augury.errors import ConfigurationError, KeyEncodingError
from augury.keys.encoding import Digest, write
from augury.keys.format import Output, named, text, type_name

_NAMED = (types.FunctionType, types.BuiltinFunctionType)
_ANY = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)
_PREFIX = named("call") + b"("
_MOST_LAYERS = 1000
"""Of wrappers around a function; with more it wraps itself, or makes a wrapper whenever asked."""


def call_key(
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    ignore: Iterable[str] = (),
    version: object = None,
    size: int = 16,
    secret: bytes = b"",
) -> bytes:
    """Return a key for a call of a function, to share its result between processes.

    Arguments are bound as the call would bind them, and defaults are filled in: ``f(1, b=2)``,
    ``f(a=1, b=2)`` and, if 2 is the default, ``f(1)`` have one key. The function counts by the
    module and qualified name under which it was defined, not by its code: change `version` when
    its results change. A bound method is its function with the object as first argument; a
    `functools.partial` is its function with the arguments that it adds.

    Parameters
    ----------
    function
        The function to be called; it is not called.
    args, kwargs
        The arguments of the call, by default none.
    ignore
        Names of parameters that do not matter to the result, as a connection or a logger.
    version
        Any value that has a key: results of one version are not found by another. By default none.
    size, secret
        As for `digest`.

    Raises
    ------
    KeyEncodingError
        If an argument has no stable key; the text names it. Also for a lambda or a function that
        remembers variables around it, whose name does not tell it apart, unless `version` does.
    ConfigurationError
        If `ignore` names no parameter.
    TypeError
        If the function cannot be called so, in the words of Python.

    Examples
    --------
    >>> def find(text, *, limit=10, log=None):
    ...     ...
    >>> call_key(find, ("cats",)) == call_key(find, (), {"limit": 10, "text": "cats"})
    True
    >>> call_key(find, ("cats",), {"log": object()}, ignore=["log"]).hex()
    '94ec2f7bc690c1b158fd1f7f0eee7465'
    """
    function, args, named_args = _unwrap(function, tuple(args), dict(kwargs or {}))
    if isinstance(ignore, str):
        raise ConfigurationError(f"ignore takes a list of names; write ignore=[{ignore!r}]")
    signature = _signature(function, tuple(ignore))
    if version is None and signature.anonymous:
        raise KeyEncodingError(signature.anonymous)
    output = Digest.start(size, secret)
    output.append(signature.prefix)
    write(version, output, "version")
    signature.write(args, named_args, output)
    output.append(b")")
    return output.value()


class _Signature:
    """How the arguments of one function are named, ordered and written."""

    def __init__(self, function: Callable[..., Any], ignore: tuple[str, ...]) -> None:
        try:
            self.signature = inspect.signature(function)
        except (ValueError, TypeError):  # of some built-in functions: arguments count as given
            self.signature = _ANY
        parameters = self.signature.parameters.values()
        self.anonymous = _anonymous(function)
        self.prefix = _PREFIX + text(type_name(function))
        self.ignore = frozenset(ignore)
        self.names = frozenset(self.signature.parameters)
        self.keywords = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), "")
        unknown = sorted(self.ignore - self.names)
        if unknown and not self.keywords:
            raise ConfigurationError(
                f"cannot ignore {unknown[0]!r}: the parameters of {function.__qualname__}() "
                f"are {', '.join(self.signature.parameters) or 'none'}"
            )
        self.order = sorted((text(name), name) for name in self.names - self.ignore)
        self.plain = all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters)
        self.positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Output) -> None:
        """Write the arguments as a dict from their names."""
        arguments = self.bind(args, kwargs)
        output.append(b"{")
        for key, name in self.order:
            output.append(key)
            write(arguments[name], output, f"argument {name!r}")
        output.append(b"}")

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the value of each parameter."""
        if self.plain and len(args) <= len(self.positional):
            given = dict(zip(self.positional, args, strict=False))
            arguments = {**self.defaults, **given, **kwargs}
            if arguments.keys() == self.names and given.keys().isdisjoint(kwargs):
                return arguments
        bound = self.signature.bind(*args, **kwargs)  # slow, complete, and raises Python's errors
        bound.apply_defaults()
        arguments = bound.arguments
        if self.keywords:
            extra: dict[str, Any] = arguments[self.keywords]
            arguments[self.keywords] = {k: v for k, v in extra.items() if k not in self.ignore}
        return arguments


_signature = functools.lru_cache(maxsize=1024)(_Signature)


def _unwrap(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return the function that a callable calls in the end, with all its arguments."""
    for _ in range(_MOST_LAYERS):
        if isinstance(function, type):
            return function, args, kwargs
        if isinstance(function, functools.partial):
            args, kwargs = function.args + args, {**function.keywords, **kwargs}
            function = function.func
        elif isinstance(function, types.MethodType):
            args, function = (function.__self__, *args), function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif isinstance(function, _NAMED) and function.__module__:
            return function, args, kwargs
        elif isinstance(getattr(type(function), "__call__", None), types.FunctionType):  # noqa: B004
            args, function = (function, *args), type(function).__call__
        else:
            raise KeyEncodingError(
                f"cannot make a stable key from calls of {function!r}: it has no module and name; "
                "wrap it in a function"
            )
    raise KeyEncodingError(
        f"cannot make a stable key from calls of {function!r}: it wraps itself; "
        "wrap it in a function"
    )


def _anonymous(function: Callable[..., Any]) -> str:
    """Return why the name of a function does not say which function it is, or nothing."""
    name = function.__qualname__
    if name.rpartition(".")[2] == "<lambda>":
        return f"cannot make a stable key from calls of the lambda in {function.__module__}: \
it has no name; define a function, or tell it apart by version="
    if "<locals>" in name and getattr(function, "__closure__", True):
        return f"cannot make a stable key from calls of {name}: it depends on variables around it; \
make them arguments, or tell it apart by version="
    return ""
