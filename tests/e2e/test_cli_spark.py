"""`augury learn --engine spark`, in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augury import load_model
from tests.e2e.test_cli import augury, mistake
from tests.unit.learnable import popular_and_scans

pytestmark = pytest.mark.slow  # each starts a Java


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_text("\n".join(["key", *map(str, popular_and_scans(6_000).tolist())]) + "\n")
    return path


def test_learns_quietly_and_leaves_nothing_behind(log: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    model = tmp_path / "model"
    by_spark = ("--engine", "spark", "--master", "local[2]", "--rows", "2000")
    done = augury(
        *("learn", log, "-o", model, *by_spark, "--model", "tree", "--json"), TMPDIR=str(scratch)
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures = json.loads(done.stdout)
    assert figures["best"] == load_model(model).card.model == "tree"
    assert 0.5 < figures["models"][0]["test"]["roc_auc"] <= 1
    assert list(scratch.iterdir()) == []


def test_tells_in_one_line_what_is_wrong(log: Path, tmp_path: Path) -> None:
    by_spark = ("--engine", "spark", "--master", "local[1]")
    nothing = log.with_name("nothing.csv")
    done = augury("learn", nothing, "-o", tmp_path / "m", *by_spark)
    assert "nothing.csv: does not exist" in mistake(done)
