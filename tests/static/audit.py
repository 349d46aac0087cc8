"""Looks the installed packages up among known vulnerabilities: `make check` runs it.

pip-audit says that it has found nothing also where the index has no advisories, as many mirrors
have none, and fails where nobody answers. Here nothing passes for safe that was not looked up, and
nobody needs a network to check a change: what could not be audited is said, and only what was found
fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AUDIT = [
    *("-m", "pip_audit", "--skip-editable", "--progress-spinner", "off", "--timeout", "10"),
    *("--format", "json", "--output"),
]


def verdict(report: Mapping[str, Any] | None) -> tuple[int, list[str]]:
    """Return the exit code and what to print, by what pip-audit has written, if it has."""
    if report is None:
        return 0, ["Nothing was audited: the advisory service cannot be reached."]
    packages = [each for each in report["dependencies"] if "skip_reason" not in each]
    if not packages:
        return 0, ["Nothing was audited: the index has no advisories."]
    found = [
        f"{each['name']} {each['version']}: {known['id']}, mended in "
        f"{', '.join(known['fix_versions']) or 'no version'}"
        for each in packages
        for known in each["vulns"]
    ]
    unknown = len(report["dependencies"]) - len(packages)
    said = f"{len(packages)} packages audited, {unknown} unknown to the index."
    return int(bool(found)), [*found, said]


def main() -> int:
    """Run pip-audit on this interpreter's packages."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "audit.json"
        subprocess.run([sys.executable, *AUDIT, str(written)], capture_output=True, check=False)
        report = json.loads(written.read_text()) if written.exists() else None
    code, lines = verdict(report)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
