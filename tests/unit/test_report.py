"""docs/benchmarks.md and the numbers in README are what the kept figures say."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from augury.errors import ConfigurationError
from benchmarks.report import __main__ as report
from benchmarks.report import claims, figures, page, plots
from benchmarks.report.running import ROOT, FailedError, measure, shown
from benchmarks.report.section import OUTPUT, Command, Scope, Section, find_section, section_names
from benchmarks.report.tables import judged, table

README = (ROOT / "README.md").read_text()
SCOPE = Scope(quick=True, generated=Path("generated"), traces=Path("traces"))

every_section = pytest.mark.parametrize("name", section_names())


def test_page_is_what_the_figures_say() -> None:
    assert (ROOT / "docs" / "benchmarks.md").read_text() == page.render()


def test_every_plot_is_there_and_no_other() -> None:
    folder = ROOT / "docs" / "benchmarks"
    drawn = {f"{plot.name}.svg" for plot in page.plots()}
    assert drawn == {path.name for path in folder.iterdir()}
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert drawn == set(re.findall(r"\(benchmarks/([\w-]+\.svg)\)", text))


def test_every_number_in_readme_comes_from_the_figures() -> None:
    assert all(claims.found(README))
    assert claims.fill(README, claims.facts()) == README


def test_readme_praises_with_no_other_numbers() -> None:
    praise = README[README.index("- **fast**") : README.index("```python")]
    for found in claims.found(praise):
        assert found is not None
        praise = praise.replace(found[0], "")
    assert not re.findall(r"(?<![\w-])\d[\d.,]*", praise)


def test_facts_of_claims_are_those_of_sections() -> None:
    named = {name for claim in claims.CLAIMS for name in re.findall(r"\{([\w.]+)\}", claim)}
    assert named <= claims.facts().keys()


def test_unknown_claims_stay() -> None:
    assert claims.fill(README, {}) == README


def test_claims_are_filled_in_wherever_lines_end() -> None:
    text = "at 1 to 2\nmillion requests a second"
    known = {"simulation.low": "3", "simulation.high": "40"}
    assert claims.fill(text, known) == "at 3 to 40\nmillion requests a second"


@every_section
def test_commands_of_a_section_exist(name: str) -> None:
    for command in find_section(name).commands(SCOPE).values():
        first, second = command.arguments[:2]
        if first == "-m":
            first = second.replace(".", "/") + ".py"
        assert first == "augury" or (ROOT / first).is_file()


@every_section
def test_a_quick_run_is_told_from_a_whole_one(name: str) -> None:
    whole = find_section(name).commands(Scope(quick=False, generated=Path(), traces=Path()))
    assert not any(command.quick for command in whole.values())


def test_sections_differ_in_place_and_unknown_ones_are_refused() -> None:
    places = [find_section(name).order for name in section_names()]
    assert len(set(places)) == len(places)
    with pytest.raises(ConfigurationError, match=r"unknown section 'weather'; there are: advise"):
        find_section("weather")


def test_misses_are_bold_and_tables_are_markdown() -> None:
    assert judged("1.2", False) == "**1.2**"
    assert table(["a", "b"], [["x", 1]]) == "| a | b |\n|---|---:|\n| x | 1 |"


def test_a_section_is_measured_kept_and_rendered(tmp_path: Path) -> None:
    arguments = ("-m", "benchmarks.tiers", "--rounds", "1", "--writes", "20", "--json")
    run = measure("tiers", Command(arguments, quick=True), find_section("tiers"))
    assert run.command == f"python {' '.join(arguments)}"
    assert run.packages["redis"]
    figures.write("tiers", {"tiers": run}, tmp_path)
    figures.write("tiers", {}, tmp_path)  # what is not measured stays
    text = page.render(tmp_path)
    assert f"- `{run.command}`: {run.date}" in text
    assert "a quick run" in text
    assert "| tracked | 10,000 |" in text
    assert "Not measured yet: `make report SECTION=eviction`." in text


def test_rows_come_from_a_file_where_they_go_to_one(tmp_path: Path) -> None:
    script = tmp_path / "rows.py"
    script.write_text(
        "import sys; open(sys.argv[1], 'w').write('{\"a\": 1}\\n{\"a\": 2.000001}\\n')"
    )
    command = Command((str(script), OUTPUT), lambda rows: [row["a"] for row in rows])
    run = measure("rows", command, find_section("advise"))
    assert run.figures == [1, 2.0]
    assert run.command == shown(command) == "python rows.py rows.jsonl"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('no peer')", "one, two: no peer"),
        ("pass", "one, two: no figures: it printed nothing"),
        ("print('{')", "one, two: no figures: "),
    ],
)
def test_a_command_that_fails_says_why(code: str, said: str) -> None:
    with pytest.raises(FailedError, match=said):
        measure("one, two", Command(("-c", code)), find_section("tiers"))


def test_missing_peers_are_named(tmp_path: Path) -> None:
    section = Section(
        order=0, title="", peers=("no-such-peer",), commands=lambda _: {}, render=lambda _: iter(())
    )
    run = measure("one", Command(("-c", "print(1)")), section)
    assert (run.packages, run.missing) == ({}, ["no-such-peer"])
    figures.write("privacy", {"other": run}, tmp_path)
    assert page._machine("", [run])
    assert any("not measured: no-such-peer." in line for line in page._machine("", [run]))


def test_a_failed_section_does_not_lose_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, figures.Figures] = {}

    def measured(name: str, command: Command, section: Section) -> figures.Run:
        if name.startswith("tiers"):
            raise FailedError(f"{name}: no server")
        return figures.Run(
            command=shown(command), date="", machine="", packages={}, figures=section.title
        )

    def keep(name: str, runs: Mapping[str, figures.Run]) -> None:
        kept[name] = dict(runs)

    monkeypatch.setattr(report, "measure", measured)
    monkeypatch.setattr(figures, "write", keep)
    options = argparse.Namespace(section=["tiers", "privacy"], quick=True, traces=None)
    assert report.run(options) == ["tiers, tiers: no server"]
    assert kept["privacy"]["privacy"].figures == "Privacy"


def test_what_needs_a_module_that_is_not_there_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = Section(
        order=0,
        title="",
        commands=lambda _: {"one": Command(("-c", "1"), needs="no_such_module")},
        render=lambda _: iter(()),
    )
    monkeypatch.setattr(report, "find_section", lambda _: section)
    assert report.run(argparse.Namespace(section=["two"], quick=True, traces=None)) == []
    assert capsys.readouterr().err == "two, one: left out: no no_such_module\n"


def test_plots_are_the_same_again(tmp_path: Path) -> None:
    plot = plots.Plot("one", "One", "ns", {"augury": 1.0, "dict": 2.0})
    plots.draw(plot, tmp_path)
    first = (tmp_path / "one.svg").read_text()
    plots.draw(plot, tmp_path)
    assert (tmp_path / "one.svg").read_text() == first
    assert ">augury<" in first
    assert plots.OURS in first
