"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from augury.demo.stage import Outcome, Table
from augury.errors import AuguryError

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Augury: demonstration</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; }}
table {{ border-collapse: collapse; margin: 1.5rem 0; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-weight: 600; padding-bottom: .3rem; }}
th, td {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #e4e4e4; }}
th:first-child, td:first-child {{ text-align: left; }}
tr.best {{ background: #eef6ee; font-weight: 600; }}
figure {{ margin: 2rem 0; }}
figure svg {{ width: 100%; height: auto; }}
figcaption, footer {{ color: #555; }}
</style>
<h1>Augury: demonstration</h1>
{scenes}
<footer>{machine}</footer>
</html>
"""


def write_report(outcomes: Mapping[str, Outcome], machine: str, folder: Path) -> Path:
    """Write what came out of the scenes as one HTML file, drawings included.

    Parameters
    ----------
    outcomes
        Outcomes by the titles of their scenes.
    machine
        Where it was measured, in a line.
    folder
        Where to write ``report.html``; made if it is not there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    AuguryError
        If it cannot be written.
    MissingExtraError
        If matplotlib is not installed.
    """
    scenes = "\n".join(_scene(title, outcome) for title, outcome in outcomes.items())
    file = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(_PAGE.format(scenes=scenes, machine=escape(machine)), encoding="utf-8")
    except OSError as error:
        raise AuguryError(
            f"cannot write {file}: {error.strerror}; choose another folder"
        ) from error
    return file


def _scene(title: str, outcome: Outcome) -> str:
    parts = [f"<h2>{escape(title)}</h2>"]
    parts += (f"<p>{escape(statement)}</p>" for statement in outcome.statements)
    parts += map(_table, outcome.tables)
    parts += (
        f"<figure>{figure.svg}<figcaption>{escape(figure.caption)}</figcaption></figure>"
        for figure in outcome.draw()
    )
    return "\n".join(parts)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "\n".join(
        f"<tr{' class=best' if index in table.best else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for index, row in enumerate(table.rows)
    )
    return f"<table><caption>{escape(table.title)}</caption><tr>{head}</tr>\n{rows}</table>"
