"""The page about metrics has all of them, as the catalogue says."""

from __future__ import annotations

from pathlib import Path

from augury.metrics import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_table_is_the_catalogue() -> None:
    rows = [
        f"| `{metric.prometheus}` | {metric.kind} | {', '.join(metric.labels)} "
        f"| {metric.help} | {metric.reading} |"
        for metric in CATALOGUE
    ]
    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("| `augury_")]
    assert shown == rows
