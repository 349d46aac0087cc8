"""Every public callable says what it takes, what it returns, and what it raises."""

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import pytest

from augury import errors
from tests.static.public_names import public_modules, public_names

SECTION = re.compile(r"^([A-Z][a-z]+)\n-{3,}$", re.MULTILINE)
SAME_AS = re.compile(r"Do what `(\w+)` does")
VARIABLE = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
ERRORS = {name for name in vars(errors) if name.endswith("Error")}


@dataclass(frozen=True)
class Described:
    """A callable with its docstring."""

    name: str
    function: Callable[..., Any]
    doc: str
    owner: type | None = None

    @functools.cached_property
    def sections(self) -> dict[str, str]:
        parts = SECTION.split(self.doc)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    @functools.cached_property
    def parameters(self) -> list[str]:
        try:
            found = inspect.signature(self.function).parameters
        except ValueError:  # a native one without a signature
            return []
        return [
            "arguments" if each.kind in VARIABLE and name in {"args", "kwargs"} else name
            for name, each in found.items()
            if name not in {"self", "cls"} and name[0] != "_"
        ]

    def listed(self) -> set[str]:
        """The names at the left edge of the section Parameters."""
        lines = self.sections.get("Parameters", "").splitlines()
        heads = [line.partition(":")[0] for line in lines if line[:1].strip()]
        return {name.strip(" *") for head in heads for name in head.split(",")}


def ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).startswith("augury")


def methods(name: str, kind: type) -> Iterator[Described]:
    """The public methods that a class defines or adopts; what it overrides is told by its base."""
    for attribute, value in vars(kind).items():
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if attribute.startswith("_") or not callable(function) or inspect.isclass(function):
            continue
        own = inspect.getdoc(getattr(kind, attribute)) or ""
        if not any(attribute in vars(base) for base in kind.__mro__[1:]):
            yield Described(f"{name}.{attribute}", inspect.unwrap(function), own, kind)


def described() -> Iterator[Described]:
    seen: set[int] = set()
    for module in public_modules():
        for name in public_names(module):
            value = getattr(module, name)
            if not ours(value) or not callable(value) or id(value) in seen:
                continue
            seen.add(id(value))
            place = f"{module.__name__}.{name}"
            doc = inspect.cleandoc(value.__doc__ or "")
            if inspect.isclass(value):
                if not issubclass(value, Enum) and Protocol not in value.__bases__:
                    yield Described(place, value, doc + fields(value), value)
                for kind in value.__mro__:
                    if ours(kind) and (kind is value or id(kind) not in seen):
                        seen.add(id(kind))
                        yield from methods(place, kind)
            else:
                yield Described(place, inspect.unwrap(value), doc)


def fields(kind: type) -> str:
    """The names of the attributes that have a docstring below them."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = [
        ast.unparse(statement.target)
        for statement, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    ]
    return "\n" + " ".join(found)


def raised(function: Callable[..., Any]) -> set[str]:
    """The errors of Augury that a function raises by name in its own body."""
    if inspect.isclass(function):
        bodies = [vars(function).get(name) for name in ("__init__", "__post_init__")]
    else:
        bodies = [function]
    found = set()
    for body in bodies:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(body))).body[0]  # type: ignore[arg-type]
        except (TypeError, OSError):  # native, none, or made by a decorator
            continue
        nested = {
            inner
            for outer in ast.walk(tree)
            if outer is not tree and isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(outer)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None and node not in nested:
                error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                found.add(ast.unparse(error).rpartition(".")[2])
    return found & ERRORS


CALLABLES = list(described())
each = pytest.mark.parametrize("about", CALLABLES, ids=lambda about: about.name)


@each
def test_it_says_what_it_takes(about: Described) -> None:
    assert about.doc.strip(), "has no docstring"
    if inspect.isclass(about.function) and "Made by `" in about.doc:
        return
    if same := SAME_AS.search(about.doc):
        assert hasattr(about.owner, same[1]), f"there is no {same[1]}"
    elif "Parameters" in about.sections:
        missing = set(about.parameters) - about.listed()
        text = about.doc.rpartition("\n")[2]  # fields
        missing -= set(text.split())
        assert not missing, f"Parameters lacks {sorted(missing)}"
    else:
        missing = {name for name in about.parameters if not re.search(rf"\b{name}\b", about.doc)}
        assert not missing, f"says nothing of {sorted(missing)}: name them, or add Parameters"


@each
def test_it_says_what_it_returns(about: Described) -> None:
    if inspect.isclass(about.function) or SAME_AS.search(about.doc):
        return
    returned = getattr(about.function, "__annotations__", {}).get("return")
    if returned in {None, "None", "Never", "NoReturn", "Self"}:
        return
    told = {"Returns", "Yields"} & about.sections.keys() or re.search(
        r"\b(return|yield)(s|ed)?\b", about.doc, re.IGNORECASE
    )
    assert told, f"returns {returned}, and does not say what that is: add Returns"


@each
def test_it_says_what_it_raises(about: Described) -> None:
    untold = {error for error in raised(about.function) if error not in about.doc}
    assert not untold, f"raises {sorted(untold)}, and does not say when: add Raises"
