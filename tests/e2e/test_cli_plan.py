"""`augury plan` as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def plan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from augury.cli import main; sys.exit(main())", "plan"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "requests.csv"
    keys = (400 * np.random.default_rng(1).random(5_000) ** 3).astype(int)
    rows = [f"{at},user:{key},{100 + key}" for at, key in enumerate(keys.tolist())]
    path.write_text("\n".join(["time,key,size", *rows]) + "\n")
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("\n".join(map(str, [1, 2, 3, 1, 2, 1] * 10)) + "\n")
    return path


def test_prints_curve_knee_and_recommendation(trace: Path) -> None:
    done = plan(trace, "--policy", "lru,s3fifo")
    assert done.returncode == 0, done.stderr
    assert "Miss ratio by capacity" in done.stdout
    assert "knee" in done.stdout
    assert "Recommended for lru" in done.stdout
    assert "s3fifo" in done.stdout
    assert "\x1b" not in done.stdout


def test_prints_figures_for_machines(trace: Path) -> None:
    done = plan(
        *(trace, "--bytes", "--cost", "memory=4,disk=0.1,miss=0.00001", "--json"),
        *("--latency", "memory=1us,disk=100us,miss=20ms", "--target", "hit=50%,latency=15ms"),
        *("--budget", "64KiB", "--requests-per-second", "100"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (curve,) = found["curves"]
    assert (curve["policy"], curve["method"], curve["by_bytes"]) == ("lru", "shards", True)
    assert len(curve["capacities"]) == len(curve["miss_ratios"]) == len(curve["errors"])
    best = found["recommendation"]["best"]
    assert best["tiers"] == ["memory", "disk"]
    assert sum(best["bytes"]) <= 64 * 1024
    assert best["miss_ratio"] <= 0.5
    assert best["latency"] <= 0.015
    assert found["requests_per_second"] == 100.0


def test_takes_the_rate_from_the_trace(trace: Path) -> None:
    done = plan(trace, "--cost", "memory=4,miss=0.00001", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["requests_per_second"] == pytest.approx(1.0, rel=0.01)
    assert found["recommendation"]["why"] == "cost"


def test_splits_a_budget_and_draws(trace: Path, tmp_path: Path) -> None:
    png, page = tmp_path / "curves.png", tmp_path / "plan.html"
    done = plan(trace, "--tenant", trace, "--budget", "20KB", "--png", png, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "The budget, split" in done.stdout
    assert png.read_bytes().startswith(b"\x89PNG")
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "Recommended for lru" in text
    assert "http://" not in text.split("<svg", 1)[0]


def test_probabilities_need_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("key,probability\na,0.3\nb,0.2\nc,0.15\nd,0.1\n")
    done = plan("--popularity", path)
    assert done.returncode == 0, done.stderr
    assert "sum to 0.75, not 1" in done.stderr
    assert "Hit probability by capacity" in done.stdout
    for hits in ("0.4000", "0.6667", "0.8667", "1.0000"):
        assert hits in done.stdout
    path.write_text("0.5\n0.5\n")
    assert plan("--popularity", path, "--json").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "name either a TRACE or --popularity"),
        (("KEYS", "--popularity", "KEYS"), "name either a TRACE or --popularity"),
        (("KEYS", "--bytes"), "has no sizes"),
        (("KEYS", "--budget", "0"), "--budget: size '0' must be more than 0"),
        (("KEYS", "--budget", "1%"), "--budget: write bytes"),
        (("KEYS", "--budget", "1KiB"), "how many bytes an entry takes"),
        (("KEYS", "--cost", "memory=4"), "how many bytes an entry takes"),
        (("KEYS", "--cost", "memory"), "cannot read 'memory' in --cost"),
        (("KEYS", "--cost", "memory=cheap"), "write a number"),
        (("KEYS", "--cost", "memory=-1"), "must be a finite number"),
        (("KEYS", "--cost", "miss=nan"), "must be a finite number"),
        (("KEYS", "--cost", "miss=1"), "--requests-per-second"),
        (("KEYS", "--latency", "miss=soon"), "write a time"),
        (("KEYS", "--target", "hit=200%"), "must be from 0 to 1"),
        (("KEYS", "--target", "hit=99%"), "no size reaches the goal"),
        (("KEYS", "--target", "joy=1"), "not 'joy'"),
        (("KEYS", "--tenant", "KEYS"), "--budget BYTES"),
        (("KEYS", "--policy", "lru,none"), "none"),
        (("KEYS", "--method", "guess"), "method must be one of"),
        (("KEYS", "--sample", "2"), "sample must be above 0"),
        (("KEYS", "--html", "plan.txt"), "end its name in .html"),
        (("EMPTY",), "empty"),
        (("--popularity", "EMPTY"), "has no probability"),
        (("--popularity", "NEGATIVE"), "probability 2 is -0.5"),
        (("--popularity", "NAN"), "probability 1 is nan"),
        (("--popularity", "KEYS", "--bytes"), "--popularity goes with"),
        (("--popularity", "KEYS", "--policy", "arc"), "not of 'arc'"),
    ],
)
def test_mistakes_get_one_line(
    arguments: tuple[str, ...], why: str, keys: Path, tmp_path: Path
) -> None:
    files = {"KEYS": keys, **{name: tmp_path / name for name in ("EMPTY", "NEGATIVE", "NAN")}}
    files["EMPTY"].write_text("")
    files["NEGATIVE"].write_text("0.5\n-0.5\n")
    files["NAN"].write_text("nan\n")
    done = plan(*(files.get(argument, argument) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("augury: ")
    assert why in line


def test_a_trace_of_one_key(tmp_path: Path) -> None:
    (path := tmp_path / "keys").write_text("7\n7\n7\n")
    done = plan(path)
    assert done.returncode == 0, done.stderr
    assert "memory 1 entries" in done.stdout
