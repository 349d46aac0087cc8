"""The statement of a private query: counts, and sums to which each row adds a bounded integer.

A sum of floats depends, in its last bits, on the order in which a database adds them, and so on
every row. Noise that hides one row does not hide that (Mironov, *On Significance of the Least
Significant Bits for Differential Privacy*, CCS 2012; Casacuberta et al., *Widespread
Underestimation of Sensitivity*, CCS 2022). Hence each value is clamped to the bounds, taken from
`Grid.centre` and rounded to a multiple of `Grid.step`, and integers are summed, which is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from augury.answers.privacy.policy import Privacy
from augury.answers.statement import SUM, Statement, executable, parse
from augury.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlglot import exp

_BITS = 20
"""Bounds are at least so many bits of steps from the centre: the error of rounding is a millionth
of them at most, and sums of up to 2**42 rows fit into 64 bits."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What a column's values are rounded to before they are summed.

    Examples
    --------
    >>> grid = Grid.of((0.0, 120.0), centred=True)
    >>> grid.centre, grid.most, grid.value(grid.most)
    (60.0, 1966080, 60.0)
    """

    centre: float
    """What is subtracted from each value: for averages the middle of the bounds, else 0."""
    step: Fraction
    """A power of 2."""
    most: int
    """How many steps a value is away from the centre at most."""

    @classmethod
    def of(cls, bounds: tuple[float, float], *, centred: bool) -> Grid:
        """Return the grid of a column with these bounds."""
        low, high = bounds
        centre = low + (high - low) / 2 if centred else 0.0
        reach = max(abs(Fraction(edge) - Fraction(centre)) for edge in bounds)
        step = Fraction(2) ** (math.frexp(float(reach))[1] - 1 - _BITS)
        return cls(centre, step, math.ceil(reach / step))

    def value(self, steps: int | float) -> float:
        """Return how much so many steps are, in the column's unit."""
        return float(Fraction(steps) * self.step)


def private_statement(sql: str, statement: Statement, dialect: str, privacy: Privacy) -> Statement:
    """Return what is executed in place of a statement of which only noisy answers are given.

    It selects the columns by which it groups, a count, and a sum if that is needed.

    Parameters
    ----------
    sql
        As it was registered.
    statement
        What was read of it: a count, sum or average.
    dialect
        Name of the database, as SQLAlchemy has it.
    privacy
        With bounds, unless it is a count.

    Raises
    ------
    ConfigurationError
        If one person's rows could change how other rows are counted, as by a subquery.
    """
    from sqlglot import exp

    from augury.answers.canonical import listed

    tree, name = parse(sql, dialect)
    tree = tree.transform(listed)
    within = tree.find(exp.Subquery, exp.Exists, exp.CTE, exp.Window, exp.SetOperation, exp.Limit)
    if within is not None or len(list(tree.find_all(exp.Select))) > 1:
        raise ConfigurationError(
            "a private statement reads tables only, without subqueries: what these return may "
            "change with one person by more than that person's rows"
        )
    by = [tree.expressions[place] for place in statement.places]
    inside = tree.expressions[statement.place].unalias().this
    selected = [exp.alias_(exp.Count(this=inside.copy()), "augury_value")]
    if statement.kind != "count":
        assert privacy.bounds is not None
        grid = Grid.of(privacy.bounds, centred=statement.kind == "avg")
        selected.append(exp.alias_(exp.Sum(this=_steps(inside, privacy.bounds, grid)), SUM))
    tree.set("expressions", [*by, *selected])
    tree.set("order", None)
    if by:  # by the columns themselves: their numbers are others now
        tree.set("group", exp.Group(expressions=[each.unalias().copy() for each in by]))
    return replace(
        statement,
        text=executable(tree, name),
        fetched=("value", SUM) if statement.kind != "count" else ("value",),
        places=tuple(range(len(by))),
        place=len(by),
    )


def _steps(value: exp.Expression, bounds: tuple[float, float], grid: Grid) -> exp.Expression:
    """Return the steps by which a value is away from the centre: NULL of NULL, else bounded.

    A value that compares with nothing, as NaN does in some databases, is the lower bound. LEAST
    and GREATEST would not do: in some databases they ignore NULL.
    """
    from sqlglot import exp

    low, high = (_number(edge) for edge in bounds)
    value = exp.paren(value.copy())
    clamped = (
        exp.Case()
        .when(
            exp.and_(exp.GT(this=value, expression=low), exp.LT(this=value, expression=high)), value
        )
        .when(exp.GTE(this=value, expression=high), high)
        .when(exp.Not(this=exp.Is(this=value, expression=exp.Null())), low)
    )
    moved = exp.paren(exp.Sub(this=clamped, expression=_number(grid.centre)))
    scaled = exp.Mul(this=moved, expression=_number(float(1 / grid.step)))
    return exp.cast(exp.Round(this=scaled), "bigint")


def _number(value: float) -> exp.Expression:
    from sqlglot import exp

    digits = str(int(value)) if float(value).is_integer() else repr(float(value))
    literal = exp.Literal.number(digits.lstrip("-"))
    return exp.paren(exp.Neg(this=literal)) if value < 0 else literal
