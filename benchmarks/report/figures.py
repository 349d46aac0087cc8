"""What was measured, as it is kept in benchmarks/figures: a file a section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parents[1] / "figures"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One command's figures, and where they come from."""

    command: str
    date: str
    machine: str
    packages: dict[str, str]
    """Versions of the peers at hand."""
    missing: list[str] = []
    """Peers that were not."""
    seconds: float | None = None
    load: float | None = None
    """Of the machine when it began: processes that wanted to run."""
    quick: bool = False
    figures: Any


Figures = dict[str, Run]
"""The runs of a section, by name."""


def read(section: str, folder: Path = FOLDER) -> Figures:
    """Return a section's runs; none if it was never measured."""
    path = folder / f"{section}.json"
    return msgspec.json.decode(path.read_bytes(), type=Figures) if path.exists() else {}


def write(section: str, runs: Figures, folder: Path = FOLDER) -> None:
    """Keep a section's runs; others of it, which were not measured now, stay as they are."""
    kept = read(section, folder) | runs
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(kept), indent=1)
    (folder / f"{section}.json").write_bytes(text + b"\n")


def short(value: Any, digits: int = 5) -> Any:
    """Return figures with so many significant digits: more is noise, and makes files large."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: short(each, digits) for key, each in value.items()}
    return [short(each, digits) for each in value] if isinstance(value, list) else value
