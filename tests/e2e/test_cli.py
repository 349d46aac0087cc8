"""The command line as users run it: in a process of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def augury(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from augury.cli import main; sys.exit(main())"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "100", **variables},
    )


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "requests.csv"
    keys = (400 * np.random.default_rng(1).random(5_000) ** 3).astype(int)
    rows = [f"{at},user:{key},{100 + key}" for at, key in enumerate(keys.tolist())]
    path.write_text("\n".join(["time,key,size", *rows]) + "\n")
    return path


def mistake(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a user's mistake is answered with."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("augury: ")
    return line


def test_simulate_prints_figures_for_machines(trace: Path) -> None:
    done = augury("simulate", trace, "--policy", "lru,fifo", "--size", "10%,50", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    results = json.loads(done.stdout)
    assert [(r["policy"], r["capacity"]) for r in results] == [
        ("lru", results[0]["capacity"]),
        ("lru", 50),
        ("fifo", results[0]["capacity"]),
        ("fifo", 50),
    ]
    for result in results:
        assert result["requests"] == 5_000
        assert result["miss_ratio"] == result["misses"] / 5_000
        assert 0 < result["byte_miss_ratio"] < 1
        assert result["seconds"] >= 0
        assert set(result) == {
            *("policy", "capacity", "requests", "misses"),
            *("miss_ratio", "byte_miss_ratio", "seconds"),
        }


def test_simulate_prints_a_table(trace: Path) -> None:
    done = augury("simulate", trace, "--policy", "lru,s3fifo(small=0.2,ghost=1)", "--size", "5%")
    assert done.returncode == 0, done.stderr
    assert "5,000 requests" in done.stdout
    assert "s3fifo(small=0.2, ghost=1)" in done.stdout
    assert "\x1b" not in done.stdout


def test_simulate_by_bytes_warms_up_and_plots(trace: Path, tmp_path: Path) -> None:
    plot = tmp_path / "curves.png"
    done = augury(
        *("simulate", trace, "--bytes", "--size", "4KiB,10%", "--policy", "lru"),
        *("--warm", "0.5", "--png", plot, "--json"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [r["requests"] for r in results] == [2_500, 2_500]
    assert results[0]["capacity"] == 4096
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_inspect_tells_what_a_trace_is_like(trace: Path, tmp_path: Path) -> None:
    plot = tmp_path / "trace.png"
    done = augury("inspect", trace, "--png", plot)
    assert done.returncode == 0, done.stderr
    for expected in ("5,000", "distinct keys", "skew", "LRU miss ratio"):
        assert expected in done.stdout
    assert "\x1b" not in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    figures = json.loads(augury("inspect", trace, "--json").stdout)
    assert figures["requests"] == 5_000
    assert figures["seconds"] == 4_999
    assert figures["format"] == "csv"
    assert figures["sessions"] is None
    assert "session" not in done.stdout


def test_inspect_tells_of_sessions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,who\na,ada\nb,bob\na,ada\n")
    done = augury("inspect", path, "--column", "session=who")
    assert done.returncode == 0, done.stderr
    assert re.search(r"sessions +│ +2 ", done.stdout)
    assert re.search(r"requests per session +│ +1\.50 ", done.stdout)
    figures = json.loads(augury("inspect", path, "--column", "session=who", "--json").stdout)
    assert (figures["sessions"], figures["requests_per_session"]) == (2, 1.5)
    assert "no session column 'x'" in mistake(augury("inspect", path, "--column", "session=x"))


def test_colours_only_where_wanted(trace: Path) -> None:
    arguments = ("simulate", trace, "--policy", "lru", "--size", "5%")
    colour = re.compile(r"\x1b\[[349]\d")  # bold and the like are no colours
    assert "\x1b[" in augury(*arguments, FORCE_COLOR="1").stdout
    assert not colour.search(augury(*arguments, FORCE_COLOR="1", NO_COLOR="1").stdout)


def test_tells_malformed_lines(trace: Path, tmp_path: Path) -> None:
    lines = trace.read_text().splitlines()
    lines[7] = "6,user:1,many"
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines) + "\n")
    done = augury("simulate", path, "--policy", "lru", "--size", "5%", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["requests"] == 4_999
    assert "1 malformed of 5,000" in done.stderr
    assert "line 8" in done.stderr
    assert "malformed" in mistake(augury("inspect", path, "--max-malformed", "0"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--policy", "lur"], "unknown policy 'lur'; there are: auto, fifo"),
        (["--policy", ""], "cannot read policy ''"),
        (["--policy", "lru,"], "cannot read policy ''"),
        (["--policy", "s3fifo(small=2)"], "small of policy 's3fifo' must be from 0 to 1, not 2"),
        (["--policy", "s3fifo(tiny=2)"], "has no parameter 'tiny'; it has: small"),
        (["--size", "0"], "size '0' must be more than 0"),
        (["--size", "many"], "cannot read size 'many'"),
        (["--size", "1MiB"], "cannot read size '1MiB'; write entries"),
        (["--warm", "1"], "warm must be from 0"),
        (["--warm", "x"], "--warm"),
        (["--jobs", "0"], "--jobs"),
        (["--seed", "-1"], "seed must be an integer from 0 to 2**64 - 1, not -1"),
        (["--seed", str(2**64)], "seed must be"),
        (["--format", "cvs"], "cvs"),
        (["--column", "key"], "cannot read --column 'key'"),
        (["--column", "key=nokey"], "nokey"),
        (["--png", "/nowhere/at/all.png"], "folder that does not exist"),
        (["--png", "curves.xyz"], "end its name in .png"),
        (["--png", "curves.pgf"], "end its name in .png"),
        (["--png", "curves"], "end its name in .png"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_answers_mistakes_in_one_line(trace: Path, arguments: list[str], says: str) -> None:
    assert says in mistake(augury("simulate", trace, *arguments))


def test_answers_absent_and_empty_files_in_one_line(tmp_path: Path) -> None:
    assert "absent" in mistake(augury("simulate", tmp_path / "absent"))
    assert str(tmp_path) in mistake(augury("inspect", tmp_path))
    (tmp_path / "empty").touch()
    assert "empty" in mistake(augury("inspect", tmp_path / "empty"))
    assert "TRACE" in mistake(augury("simulate"))
    assert "nonsense" in mistake(augury("nonsense"))


def test_stops_quietly_when_nobody_reads_on(trace: Path) -> None:
    command = f"{sys.executable} -c 'from augury.cli import main; exit(main())' inspect {trace}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} --json | head -c 1"],
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 1}
    assert done.stderr == b""


@pytest.mark.parametrize("redirected", ["> /dev/full", ">&-"])
def test_output_that_cannot_be_written_is_a_mistake(trace: Path, redirected: str) -> None:
    command = f"{sys.executable} -c 'from augury.cli import main; exit(main())' inspect {trace}"
    done = subprocess.run(
        ["bash", "-c", f"{command} --json {redirected}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "output" in mistake(done)


def test_output_need_not_be_in_utf_8(trace: Path) -> None:
    for arguments in (["inspect", trace], ["simulate", "--help"]):
        done = augury(*arguments, PYTHONIOENCODING="ascii")
        assert done.returncode == 0
        assert done.stdout.isascii()


def test_names_of_files_are_no_markup(tmp_path: Path) -> None:
    path = tmp_path / "trace[bold].keys"
    path.write_text("1\n2\n1\n")
    assert "trace[bold].keys (keys)" in augury("inspect", path).stdout


def test_every_subcommand_has_help() -> None:
    listing = augury("--help")
    assert listing.returncode == 0
    for name in ("inspect", "simulate"):
        assert name in listing.stdout
        help_ = augury(name, "--help")
        assert help_.returncode == 0
        assert "--json" in help_.stdout
    assert augury().returncode in {0, 2}
    assert augury("--version").stdout.startswith("augury ")


@pytest.mark.parametrize(
    ("package", "extra"),
    [("typer", "cli"), ("rich", "cli"), ("plotext", "cli"), ("matplotlib", "plot")],
)
def test_names_the_extra_that_is_missing(trace: Path, package: str, extra: str) -> None:
    code = (
        "import sys; sys.modules[sys.argv.pop(1)] = None; from augury.cli import main; exit(main())"
    )
    arguments: list[str | Path] = [package, "inspect", trace, "--png", trace.with_name("plot.png")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert f"{package} is not installed; install it with: pip install 'augury[{extra}]'" in mistake(
        done
    )


def test_simulate_compares_with_fetching_ahead(trace: Path, tmp_path: Path) -> None:
    path = tmp_path / "loop.txt"
    path.write_text("\n".join(f"/page/{7 * at % 50}" for at in range(5_000)) + "\n")
    done = augury("simulate", path, "--prefetch", "--size", "50%", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [each["policy"] for each in results] == ["lru", "s3fifo", "auto"]
    for each in results:
        assert each["requests"] == each["prefetch"]["requests"] == 5_000
        assert each["misses"] < each["misses_without"]
        assert set(each["prefetch"]) >= {"precision", "recall", "f1", "fetched", "waited_p50"}
    done = augury(
        *("simulate", path, "--prefetch", "--size", "20,50%", "--policy", "lru"),
        *("--predictors", "markov,context", "--delay", "1", "--png", tmp_path / "plot.png"),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"association +0 +0 +-", done.stdout)
    assert (tmp_path / "plot.png").stat().st_size > 1_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prefetch", "--policy", "belady"], "knows the future"),
        (["--prefetch", "--predictors", "oracle"], "there is no predictor 'oracle'"),
        (["--delay", "3"], "--prefetch; add that"),
        (["--predictors", "markov"], "--prefetch; add that"),
    ],
)
def test_simulate_refuses_to_fetch_ahead(trace: Path, arguments: list[str], said: str) -> None:
    assert said in mistake(augury("simulate", trace, *arguments))
