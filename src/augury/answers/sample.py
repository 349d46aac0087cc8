"""A random sample of the rows that queries choose among: what models know before any query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.answers.database import Database
from augury.answers.parameter import number_of
from augury.answers.region import Dimension, Vocabulary
from augury.answers.statement import Statement, parse
from augury.errors import ConfigurationError

_RANDOM = {
    "sqlite": "(random() & 9223372036854775807) < {0} * 9223372036854775807.0",
    "postgresql": "random() < {0}",
    "duckdb": "random() < {0}",
    "mysql": "rand() < {0}",
    "mariadb": "rand() < {0}",
}
"""A condition that holds of a share of all rows, by the name of the database."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows, each of which was as likely to be drawn as any other.

    Examples
    --------
    >>> points = np.array([[1.0], [2.0], [2.0]])
    >>> sample = Sample(points, {"rows": np.ones(3), "sum:x": np.array([5.0, 6.0, 7.0])}, 0.01)
    >>> sample.totals(np.array([[[2.0, 3.0]]]))
    {'rows': array([200.]), 'sum:x': array([1300.])}
    """

    points: NDArray[np.float64]
    """Shape (rows, dimensions): the values by which queries choose, as numbers; of categories
    their numbers."""
    measures: Mapping[str, NDArray[np.float64]]
    """What each row adds to a measure, such as ``rows`` or ``sum:delay``."""
    fraction: float
    """Share of all rows that is in it, up to chance."""

    def totals(self, boxes: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return what all rows within each box add up to, as far as the sample says."""
        found = {name: np.zeros(len(boxes)) for name in self.measures}
        for at, box in enumerate(boxes):
            within = ((self.points >= box[:, 0]) & (self.points <= box[:, 1])).all(axis=1)
            for name, adds in self.measures.items():
                found[name][at] = adds[within].sum() / self.fraction
        return found


def check_sampled(statement: Statement, dialect: str | None) -> None:
    """Raise a `ConfigurationError` unless the rows of a statement can be sampled."""
    if statement.kind == "value":
        raise ConfigurationError("only rows that are counted, summed or averaged can be sampled")
    if dialect not in _RANDOM:
        raise ConfigurationError(f"rows of a database of kind {dialect} cannot be sampled")


def draw_sample(
    database: Database,
    statement: Statement,
    dimensions: Sequence[Dimension],
    vocabulary: Vocabulary,
    fraction: float,
) -> Sample:
    """Read a share of the rows that a statement adds up, each by a chance of its own.

    The database reads its table once for that, whatever the share; what the statement demands of
    all rows holds of these, too. Rows with NULL where a query chooses are left out, for none does.

    Parameters
    ----------
    database
        Where the rows are.
    statement
        One that `check_sampled` has passed.
    dimensions
        By which its queries choose.
    vocabulary
        Numbers categories; gets those that are new.
    fraction
        Above 0 and up to 1.

    Raises
    ------
    SourceError
        If the database does not answer.
    """
    column = "" if statement.column == "*" else statement.column
    rows = database.read(_sampling(statement, dimensions, column, database.dialect, fraction))
    rows = [row for row in rows if None not in row[: len(dimensions)]]
    points = np.empty((len(rows), len(dimensions)))
    for at, dimension in enumerate(dimensions):
        points[:, at] = [
            number_of(row[at]) if dimension.ordered else vocabulary.number(at, row[at])
            for row in rows
        ]
    measures = {"rows": np.ones(len(rows))}
    if column:
        known = [row[-1] is not None for row in rows]
        measures[f"count:{column}"] = np.array(known, np.float64)
        if statement.kind != "count":
            values = [0.0 if row[-1] is None else float(row[-1]) for row in rows]
            measures[f"sum:{column}"] = np.array(values, np.float64)
    return Sample(points, measures, fraction)


def _sampling(
    statement: Statement,
    dimensions: Sequence[Dimension],
    column: str,
    dialect: str,
    fraction: float,
) -> str:
    """Return the SELECT of a random share of rows."""
    from sqlglot import exp, parse_one

    from augury.answers.canonical import conjuncts

    tree, name = parse(statement.text.replace("\\:", ":"), dialect)  # as SQLAlchemy reads it
    where = tree.args.get("where")
    fixed = [
        part for part in (conjuncts(where.this) if where else ()) if not part.find(exp.Placeholder)
    ]
    drawn = parse_one(_RANDOM[dialect].format(repr(float(fraction))), read=name)
    selected = [each.name for each in dimensions] + ([column] if column else [])
    tree.set("expressions", [parse_one(each, read=name) for each in selected])
    tree.set("group", None)
    tree.set("where", exp.Where(this=exp.and_(*fixed, drawn)))
    return str(tree.sql(dialect=name))
