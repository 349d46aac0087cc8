"""What the audit of dependencies says: never that all is well where nobody has looked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.static.audit import verdict

SAFE = {"name": "numpy", "version": "2", "vulns": []}
BAD = {"name": "old", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "own", "skip_reason": "not found on the index"}


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        (None, 0, ["Nothing was audited: the advisory service cannot be reached."]),
        ({"dependencies": [UNKNOWN]}, 0, ["Nothing was audited: the index has no advisories."]),
        ({"dependencies": [SAFE, UNKNOWN]}, 0, ["1 packages audited, 1 unknown to the index."]),
        (
            {"dependencies": [SAFE, BAD]},
            1,
            ["old 1: CVE-1, mended in 1.1", "2 packages audited, 0 unknown to the index."],
        ),
    ],
)
def test_verdicts(report: Any, code: int, said: list[str]) -> None:
    assert verdict(report) == (code, said)
