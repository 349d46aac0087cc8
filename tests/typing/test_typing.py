"""mypy accepts what users may write, and complains about what they may not, where it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
REJECTED = sorted((FOLDER / "rejected").glob("*.py"))
pytest.importorskip("mypy")


def mypy(files: list[Path]) -> list[tuple[str, int, str]]:
    """The errors, as file name, line and code."""
    command = [sys.executable, "-m", "mypy", "--strict", "--show-error-codes", "--no-pretty"]
    done = subprocess.run(
        [*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    found = re.findall(r"^(.+?):(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    return [(Path(file).stem, int(line), code) for file, line, code in found]


def test_accepted() -> None:
    assert mypy([FOLDER / "accepted.py"]) == []


def test_rejected() -> None:
    expected = {
        (file.stem, number, match[1])
        for file in REJECTED
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (match := re.search(r"# error: ([\w-]+)", line))
    }
    assert len(expected) == len(REJECTED)
    errors = mypy(REJECTED)
    assert expected <= {*errors}
    assert {error[:2] for error in errors} == {error[:2] for error in expected}
