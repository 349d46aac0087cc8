"""The tests that docs/security.md names are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_shows_that_a_threat_is_stopped_exists() -> None:
    page = (ROOT / "docs/security.md").read_text()
    tests = {file.name: file.read_text() for file in (ROOT / "tests").glob("**/test_*.py")}
    files = set(re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)`", page))
    functions = set(re.findall(r"`(test_\w+)`", page))
    assert len(files) > 10
    assert files <= set(tests)
    missing = {
        name for name in functions if not any(f"def {name}(" in text for text in tests.values())
    }
    assert not missing
