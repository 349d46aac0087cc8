"""What docs/inference-pipelines.md shows is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("safetensors")

PAGE = Path(__file__).parents[2] / "docs" / "inference-pipelines.md"


def test_the_examples_run() -> None:
    examples = doctest.DocTestParser().get_doctest(
        PAGE.read_text(), {"__name__": "docs"}, "inference-pipelines.md", str(PAGE), 0
    )
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0
