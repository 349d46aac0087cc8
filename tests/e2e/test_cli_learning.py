"""`augury learn`, `augury explain` and `augury simulate --model`, in processes of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from augury import policies
from augury.learning import fit_names
from augury.models import Artefact
from tests.e2e.test_cli import augury, mistake
from tests.unit.learnable import popular_and_scans
from tests.unit.test_artefact import card, linear


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "scans.keys"
    path.write_text("\n".join(map(str, popular_and_scans(10_000).tolist())) + "\n")
    return path


@pytest.fixture(scope="module")
def model(trace: Path) -> Path:
    path = trace.with_name("model.augury")
    done = augury("learn", trace, "-o", path, "--model", "tree,logistic", "--size", "100")
    assert done.returncode == 0, done.stderr
    for expected in ("5,000 requests", "ROC-AUC", "learned (tree)", "best fixed", "belady"):
        assert expected in done.stdout
    assert "\x1b" not in done.stdout
    return path


def test_learn_prints_figures_for_machines_and_plots(trace: Path, tmp_path: Path) -> None:
    plot = tmp_path / "learned.png"
    path = tmp_path / "m"
    done = augury(
        *("learn", trace, "-o", path, "--model", "tree", "--until", "0.25", "--json"),
        *("--size", "50,1%", "--png", plot),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures = json.loads(done.stdout)
    assert figures["card"]["period"] == [0, 2_500]
    assert figures["card"]["data"] == "scans.keys"
    (tree,) = figures["models"]
    assert tree["model"] == figures["best"] == "tree"
    assert 0 < tree["test"]["roc_auc"] <= 1
    assert len(tree["miss_ratios"]) == 2
    assert set(figures["policies"]) == {"lru", "best_fixed", "belady"}
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_explain_tells_what_a_model_goes_by(model: Path, tmp_path: Path) -> None:
    plot = tmp_path / "model.png"
    done = augury("explain", model, "--png", plot)
    assert done.returncode == 0, done.stderr
    for expected in ("scans.keys", "importance", "near_age", "test: "):
        assert expected in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    figures = json.loads(augury("explain", model, "--json").stdout)
    importances = [each["importance"] for each in figures["features"]]
    assert importances == sorted(importances, reverse=True)
    assert figures["card"]["model"] in fit_names()


def test_a_strangers_model_does_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "stranger"
    written = linear()
    strange = card(data="a\x1b[2J\nb", scores={"x\x1b[5m": {"f1": 1.0}})
    Artefact(written.kind, written.arrays, strange, written.explanation).save(path)
    done = augury("explain", path)
    assert done.returncode == 0, done.stderr
    assert "a\N{REPLACEMENT CHARACTER}[2J" in done.stdout
    assert "\x1b" not in done.stdout


def test_simulate_serves_a_model(trace: Path, model: Path) -> None:
    arguments = ("simulate", trace, "--size", "100", "--warm", "0.5", "--json")
    done = augury(*arguments, "--policy", "learned,lru", "--model", model)
    assert done.returncode == 0, done.stderr
    learned, lru = json.loads(done.stdout)
    assert learned["misses"] < lru["misses"]
    without = json.loads(augury(*arguments, "--policy", "learned").stdout)[0]
    assert without["misses"] != learned["misses"]


def test_simulate_counts_learned_among_all_where_there_is_a_model(trace: Path, model: Path) -> None:
    arguments = ("simulate", trace, "--policy", "all", "--size", "100", "--json")
    without = {each["policy"] for each in json.loads(augury(*arguments).stdout)}
    served = {each["policy"] for each in json.loads(augury(*arguments, "--model", model).stdout)}
    assert served == {*policies.names()}
    assert served - without == {"learned"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "oracle"], f"unknown model 'oracle'; there are: {', '.join(fit_names())}"),
        (["--model", ""], "unknown model ''"),
        (["--until", "1"], "until must be more than 0 and less than 1"),
        (["--until", "0"], "until must be"),
        (["--until", "0.001"], "10 requests to learn from, and a model needs 100"),
        (["--rows", "5"], "rows must be at least 100"),
        (["--size", "many"], "cannot read size 'many'"),
        (["--seed", "-1"], "seed must be"),
        (["--png", "/nowhere/at/all.png"], "folder that does not exist"),
        (["-o", "/nowhere/at/all"], "folder that does not exist"),
        (["-o", "/"], "is a folder"),
    ],
)
def test_answers_mistakes_in_one_line(
    trace: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    output = [] if "-o" in arguments else ["-o", str(tmp_path / "m")]
    assert says in mistake(augury("learn", trace, *output, *arguments))
    assert not (tmp_path / "m").exists()


def test_replaces_nothing_but_a_model(trace: Path, tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(trace)
    before = trace.read_bytes()
    assert "is no file" in mistake(augury("learn", trace, "-o", pipe, "--model", "tree"))
    assert pipe.is_fifo()
    for name in (trace, link):
        assert "is the trace" in mistake(augury("learn", trace, "-o", name, "--model", "tree"))
    assert trace.read_bytes() == before


def test_answers_what_cannot_be_learned_from_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "one.keys"
    path.write_text("7\n" * 1_000)
    assert "for one key" in mistake(augury("learn", path, "-o", tmp_path / "m"))
    assert "--output" in mistake(augury("learn", path))


def test_answers_models_that_cannot_be_used_in_one_line(
    trace: Path, model: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(model.read_bytes()[:-9])
    assert "is truncated" in mistake(augury("explain", cut))
    assert "is not a model" in mistake(augury("explain", trace))
    assert "absent" in mistake(augury("explain", tmp_path / "absent"))
    assert "is truncated" in mistake(
        augury("simulate", trace, "--policy", "learned", "--model", cut)
    )
    for policy in ("lru", "auto,lru"):
        assert "--model is for policy learned" in mistake(
            augury("simulate", trace, "--policy", policy, "--model", model)
        )
