"""Every example in a docstring of the package runs, those of native methods too."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import augury
from augury.errors import MissingExtraError

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in pkgutil.walk_packages(augury.__path__, "augury."):
        # Native methods are found in the classes of the package that adopt them.
        if module.name.endswith(("__main__", "_native")):
            continue
        try:
            imported = importlib.import_module(module.name)
        except MissingExtraError:
            continue
        except ModuleNotFoundError as missing:  # a family of keys whose package is not installed
            if missing.name is None or missing.name.startswith("augury"):
                raise
            continue
        yield from (test for test in finder.find(imported, module.name) if test.examples)


EXAMPLES = {test.name: test for test in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of(name: str) -> None:
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(EXAMPLES[name], out=failures.append)
    assert not failures, "".join(failures)


def test_native_methods_are_among_them() -> None:
    assert "augury.cache.Cache.get_or_load" in EXAMPLES
