"""What a registered SQL statement asks: what it aggregates, and what its parameters choose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from augury.errors import ConfigurationError, MissingExtraError
from augury.parameters import check_instance

if TYPE_CHECKING:
    from sqlglot import exp

DIALECTS = {"postgresql": "postgres", "mssql": "tsql"}
"""Names that sqlglot has for what SQLAlchemy calls otherwise."""

ROWS = "augury_rows"
COUNT = "augury_count"
SUM = "augury_sum"

_PRECISE = {"postgres", "sqlite", "duckdb"}
"""Databases whose averages are as precise as their sums."""

_ADDING = {"kind", "expressions", "from_", "joins", "where", "group", "order"}
"""Parts of a SELECT that leave its aggregates such as add up over disjoint regions."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a column with a parameter: ``column operator :parameter``."""

    column: str
    operator: str
    """One of ``=  in  >=  >  <=  <``."""
    parameter: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT that was read, and what was understood of it."""

    text: str
    """What is executed: the statement, and in the same scan what it is made of."""
    parameters: frozenset[str]
    """Names of its parameters."""
    several: tuple[str, ...]
    """Those of them that take a list, as in ``IN :carriers``."""
    tables: frozenset[str]
    """Tables that it names, in lower case, with the schema where it says so."""
    kind: str
    """``count``, ``sum`` or ``avg``, which add up over disjoint regions; else ``value``."""
    column: str
    """What is counted, summed or averaged; ``*`` for all rows, and empty for a ``value``."""
    groups: tuple[str, ...]
    """Columns by which it groups, in the order in which they are selected."""
    conditions: tuple[Condition, ...]
    """What the parameters choose, if `kind` is one that adds up; else empty."""
    family: str
    """Equal for statements that choose among the same rows by the same columns."""
    relation: str = ""
    """Equal for statements that choose among the same rows; empty of a ``value``."""
    source: str = ""
    """What it selects from, with its joins; empty of a ``value``."""
    single: bool = False
    """Whether it reads one table, each row of it once, and adds up."""
    fetched: tuple[str, ...] = field(default=("value",))
    """Names of what is selected: of the groups none, ``value``, and what else was added."""
    places: tuple[int, ...] = ()
    """Where in a row the values of the groups are."""
    place: int = 0
    """Where in a row the value is."""


def read_statement(sql: str, dialect: str) -> Statement:
    """Read a SELECT with parameters such as ``:month``.

    Parameters
    ----------
    sql
        The statement.
    dialect
        Name of the database, as SQLAlchemy has it.

    Raises
    ------
    ConfigurationError
        If it is no single SELECT, or would do more than read.
    MissingExtraError
        If sqlglot is not installed.

    Examples
    --------
    >>> statement = read_statement(
    ...     "SELECT avg(delay) FROM flights WHERE origin = :origin AND :first <= month", "sqlite"
    ... )
    >>> statement.kind, statement.column, statement.conditions[1]
    ('avg', 'delay', Condition(column='month', operator='>=', parameter='first'))
    """
    tree, name = parse(sql, dialect)
    from augury.answers.refusals import check_parameters

    check_parameters(tree)
    return _Reading(tree, name).statement()


def parse(sql: str, dialect: str) -> tuple[exp.Select, str]:
    """Return a SELECT that only reads as a tree, and sqlglot's name of the dialect."""
    try:
        import sqlglot
        from sqlglot import exp
    except ModuleNotFoundError:
        raise MissingExtraError("sqlglot", "answers") from None
    from augury.answers.refusals import check_reads_only

    check_instance("a statement", sql, str)
    name = DIALECTS.get(dialect, dialect)
    try:
        sql.encode()  # half of a surrogate pair can be sent to no database
        trees = sqlglot.parse(sql, read=name)
    except sqlglot.ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise ConfigurationError(
            f"the statement cannot be read: {first.get('description', error)}"
        ) from None
    except (sqlglot.errors.SqlglotError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the statement cannot be read: {error}") from None
    trees = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(trees) != 1 or not isinstance(trees[0], exp.Select) or "\0" in sql:
        raise ConfigurationError("only one SELECT can be registered, and nothing that writes")
    check_reads_only(trees[0])
    return trees[0], name


def executable(tree: exp.Select, dialect: str) -> str:
    """Return the text of a tree for SQLAlchemy, by sqlglot's name of the dialect."""
    from sqlglot import exp

    def marked(node: exp.Expression) -> exp.Expression:
        return exp.Var(this=f"\0{node.name}\0") if isinstance(node, exp.Placeholder) else node

    text = tree.transform(marked).sql(dialect=dialect, comments=False)
    # To SQLAlchemy, a colon before a word is a parameter, in texts and names, too.
    return re.sub(r" ?\0(\w+)\0", r" :\1", text.replace(":", "\\:"))


class _Reading:
    """One statement being read."""

    def __init__(self, tree: exp.Select, dialect: str) -> None:
        from sqlglot import exp

        from augury.answers.canonical import canonical, conjuncts, listed, only_table

        self._dialect = dialect
        self._tree = tree.transform(listed)  # as it is executed
        self._canonical = canonical(self._tree, dialect)
        self._only = only_table(self._tree) is not None
        where = self._canonical.args.get("where")
        self._conjuncts = tuple(conjuncts(where.this)) if where else ()
        self._parameters = frozenset(each.name for each in tree.find_all(exp.Placeholder))

    def statement(self) -> Statement:
        groups, places, place, plain = self._selected()
        kind, column = self._aggregate(self._canonical.expressions[place].unalias())
        conditions, fixed = self._conditions()
        if not plain or conditions is None:
            kind, column = "value", ""
        adds_up = kind != "value"
        fetched = ("value", *self._also(kind, column))
        text = self._executed(place, fetched)
        source = self._source() if adds_up else ""
        relation = " | ".join((source, *sorted({self._sql(part) for part in fixed})))
        relation = relation if source else ""
        columns = sorted({each.column for each in conditions or ()} | set(groups))
        return Statement(
            text,
            self._parameters,
            self._several(),
            self._tables(),
            kind,
            column,
            groups,
            tuple(conditions or ()) if adds_up else (),
            f"{relation} | {', '.join(columns)}" if adds_up else text,
            relation,
            source,
            adds_up and self._only,
            fetched,
            places,
            place,
        )

    def _tables(self) -> frozenset[str]:
        """Return what may be a table; names of a WITH are, because one may hide a table."""
        from sqlglot import exp

        return frozenset(
            ".".join(part.name for part in table.parts).lower()
            for table in self._tree.find_all(exp.Table)
            if table.name
        )

    def _several(self) -> tuple[str, ...]:
        from sqlglot import exp

        within = (each.args.get("field") for each in self._tree.find_all(exp.In))
        return tuple(sorted(each.name for each in within if isinstance(each, exp.Placeholder)))

    def _selected(self) -> tuple[tuple[str, ...], tuple[int, ...], int, bool]:
        """Return groups, their places, the value's, and whether they are plain columns."""
        from sqlglot import exp

        selected = self._canonical.expressions
        texts = [self._sql(each.unalias()) for each in selected]
        aliases = [each.alias for each in selected]
        group = self._canonical.args.get("group")
        places: list[int] = []
        plain = group is None or not any(
            value for part, value in group.args.items() if part != "expressions"
        )
        for each in group.expressions if group else ():
            text = self._sql(each)
            if isinstance(each, exp.Literal) and not each.is_string:
                place = int(each.name) - 1  # GROUP BY 1
            elif text in texts:
                place = texts.index(text)
                # Where a name is a column and another's alias, databases differ.
                plain = plain and all(alias != text for alias in aliases[:place])
            else:
                place = aliases.index(text) if text in aliases else -1
            if not 0 <= place < len(selected) or place in places:
                raise ConfigurationError(
                    "all columns by which a statement groups have to be selected, once"
                )
            places.append(place)
            plain = plain and isinstance(selected[place].unalias(), exp.Column)
        values = [place for place in range(len(selected)) if place not in places]
        if len(values) != 1 or selected[values[0]].is_star:
            raise ConfigurationError(
                "a statement selects one value, and the columns by which it groups"
            )
        places.sort()
        return tuple(texts[place] for place in places), tuple(places), values[0], plain

    def _aggregate(self, value: exp.Expression) -> tuple[str, str]:
        from sqlglot import exp

        kinds = {exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg"}
        kind = kinds.get(type(value))
        given = {part for part, each in self._canonical.args.items() if each}
        if kind is None or not given <= _ADDING or value.expressions:
            return "value", ""
        inside = value.this
        if self._canonical.args.get("kind"):  # SELECT AS STRUCT
            return "value", ""
        if isinstance(inside, exp.Distinct | exp.Order | exp.HavingMax | exp.IgnoreNulls):
            return "value", ""
        if inside.find(exp.Placeholder, exp.Select, exp.Window, exp.AggFunc):
            return "value", ""
        return kind, "*" if isinstance(inside, exp.Star) else self._sql(inside)

    def _conditions(self) -> tuple[list[Condition] | None, list[exp.Expression]]:
        """Return what parameters choose, or None if it is no box; and what is fixed."""
        from sqlglot import exp

        conditions: list[Condition] = []
        fixed: list[exp.Expression] = []
        for part in self._conjuncts:
            if not part.find(exp.Placeholder):
                fixed.append(part)
                continue
            found = self._compared(part)
            if found is None:
                return None, fixed
            conditions.append(found)
        used = [condition.parameter for condition in conditions]
        if len(set(used)) < len(used) or set(used) != self._parameters:
            return None, fixed  # a parameter elsewhere, as in a join, or twice
        return conditions, fixed

    def _compared(self, part: exp.Expression) -> Condition | None:
        from sqlglot import exp

        operators: dict[type[exp.Expression], str] = {
            exp.EQ: "=",
            exp.In: "in",
            exp.GTE: ">=",
            exp.GT: ">",
            exp.LTE: "<=",
            exp.LT: "<",
        }
        operator = operators.get(type(part))
        if operator is None or not isinstance(part.this, exp.Column):
            return None
        other = part.args.get("field") if operator == "in" else part.expression
        if not isinstance(other, exp.Placeholder):
            return None
        return Condition(self._sql(part.this), operator, other.name)

    def _also(self, kind: str, column: str) -> tuple[str, ...]:
        """Return names of what is fetched in the same scan, so that answers can be added up."""
        if kind == "value" or column == "*":
            return ()
        if kind == "count":
            return (ROWS,)  # and no sum: what is counted may be a text
        return (
            (ROWS, COUNT, SUM) if kind == "avg" and self._dialect not in _PRECISE else (ROWS, COUNT)
        )

    def _executed(self, place: int, fetched: Sequence[str]) -> str:
        """Return the text for SQLAlchemy: what was given, and in the end what else is fetched."""
        from sqlglot import exp

        tree = self._tree.copy()
        inside = tree.expressions[place].unalias().this
        made = {
            ROWS: lambda: exp.Count(this=exp.Star()),
            COUNT: lambda: exp.Count(this=inside.copy()),
            SUM: lambda: exp.Sum(this=inside.copy()),
        }
        for name in fetched[1:]:
            tree.append("expressions", exp.alias_(made[name](), name))

        return executable(tree, self._dialect)

    def _source(self) -> str:
        begins = self._canonical.args.get("from_")
        joins = self._canonical.args.get("joins") or ()
        return " ".join(self._sql(part) for part in ((begins, *joins) if begins else ()))

    def _sql(self, node: exp.Expression) -> str:
        return str(node.sql(dialect=self._dialect, comments=False))
