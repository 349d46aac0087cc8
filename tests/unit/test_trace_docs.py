"""docs/traces.md says what is so."""

import re
from pathlib import Path

import pytest

from augury.accesslog.columns import USUAL
from augury.accesslog.formats import formats
from tests.unit.trace_files import read

TEXT = (Path(__file__).parents[2] / "docs" / "traces.md").read_text()
SAMPLES = re.findall(r"### `(\w+)`\n\n```\n(.*?)```", TEXT, re.DOTALL)


def test_every_format_is_described() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == set(formats())


@pytest.mark.parametrize(("format", "sample"), SAMPLES)
def test_samples_are_recognised(tmp_path: Path, format: str, sample: str) -> None:
    found = read(tmp_path / "trace", sample.encode(), max_malformed=0.0)
    assert found.format == format


def test_every_text_format_has_a_sample() -> None:
    assert {format for format, _ in SAMPLES} == set(formats()) - {
        "oracleGeneral",
        "parquet",
        "recorded",
    }


@pytest.mark.parametrize("role", USUAL)
def test_names_of_columns_are_listed(role: str) -> None:
    listed = re.search(rf"^- {role}: (.*?)(?=^- |^$)", TEXT, re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r"`(\w+)`", listed[1])) == USUAL[role]
