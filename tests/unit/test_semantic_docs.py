"""What docs/inference-semantic.md shows is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "inference-semantic.md"


def test_the_examples_run() -> None:
    examples = doctest.DocTestParser().get_doctest(
        PAGE.read_text(), {"__name__": "docs"}, "inference-semantic.md", str(PAGE), 0
    )
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0
