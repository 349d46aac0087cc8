"""All that is public is documented, and says what it takes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import augury
from tests.unit.own_process import run

PUBLIC = {name: getattr(augury, name) for name in augury.__all__}
CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Public attributes that Augury itself defines, and how they are looked up in the class."""
    for base in cls.__mro__:
        if base.__module__.startswith("augury"):
            yield from ((name, each) for name, each in vars(base).items() if name[0] != "_")


def described_fields(cls: type) -> set[str]:
    """Names with a string below them in the class's body, or in its docstring's lists."""
    names = set()
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for line, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                names.add(line.target.id)
            elif isinstance(line, ast.Assign):
                names |= {target.id for target in line.targets if isinstance(target, ast.Name)}
    return names | {line.strip() for line in (inspect.getdoc(cls) or "").splitlines()}


def test_all_is_sorted_and_complete() -> None:
    assert list(augury.__all__) == sorted(augury.__all__)
    found = {name for name, each in vars(augury).items() if name[0] != "_"}
    assert {name for name in found if not inspect.ismodule(getattr(augury, name))} <= {*PUBLIC}


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_has_a_docstring(name: str) -> None:
    documentation = inspect.getdoc(PUBLIC[name])
    assert documentation
    assert documentation[0].isupper()
    assert documentation.splitlines()[0][-1] in ".:"


@pytest.mark.parametrize("name", CLASSES)
def test_every_attribute_is_documented(name: str) -> None:
    cls = CLASSES[name]
    fields = described_fields(cls)
    for attribute, each in members(cls):
        if callable(each) or isinstance(each, property | classmethod | staticmethod):
            assert inspect.getdoc(each), f"{name}.{attribute} has no docstring"
        else:
            assert attribute in fields or inspect.getdoc(each), f"{name}.{attribute}"
    for attribute in getattr(cls, "__annotations__", {}):
        assert attribute[0] == "_" or attribute in fields, f"{name}.{attribute}"


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_has_a_signature(name: str) -> None:
    for attribute, each in members(CLASSES[name]):
        if callable(each) and not isinstance(each, type):
            assert next(iter(inspect.signature(each).parameters)) == "self", attribute


def test_help_shows_native_methods() -> None:
    for name in ("get", "set", "get_or_load", "pop", "ttl", "resize"):
        method = getattr(augury.Cache, name)
        assert method.__text_signature__
        assert inspect.getdoc(method)


def test_what_runs_models_is_imported_when_it_is_asked_for() -> None:
    program = "print('augury.inference' in sys.modules, augury.CachedModel.__module__)"
    assert run("import sys, augury\n", program, 60) == "False augury.inference.model\n"
    program = "print('augury.answers' in sys.modules, augury.Answers.__module__)"
    assert run("import sys, augury\n", program, 60) == "False augury.answers.answers\n"
    with pytest.raises(AttributeError, match="'augury' has no attribute 'Nothing'"):
        augury.Nothing  # noqa: B018
