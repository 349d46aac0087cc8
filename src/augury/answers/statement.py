"""What a registered SQL statement asks: what it aggregates, and what its parameters choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from augury.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from sqlglot import exp

DIALECTS = {"postgresql": "postgres", "mssql": "tsql"}
"""Names that sqlglot has for what SQLAlchemy calls otherwise."""

ROWS = "augury_rows"
COUNT = "augury_count"
SUM = "augury_sum"


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
    constants: Mapping[str, str]
    """Texts in it that have become parameters, so that a colon in them is no parameter."""
    parameters: frozenset[str]
    """Names of its parameters."""
    several: tuple[str, ...]
    """Those of them that take a list, as in ``IN :carriers``."""
    tables: frozenset[str]
    """Tables that it reads."""
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
    fetched: tuple[str, ...] = field(default=())
    """Names of the columns of the result, after those of the groups."""


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
        If it is no single SELECT, or would write.
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
    try:
        import sqlglot
        from sqlglot import exp
    except ModuleNotFoundError:
        raise MissingExtraError("sqlglot", "answers") from None

    name = DIALECTS.get(dialect, dialect)
    try:
        trees = sqlglot.parse(sql, read=name)
    except sqlglot.ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise ConfigurationError(
            f"the statement cannot be read: {first.get('description', error)}"
        ) from None
    except (sqlglot.errors.SqlglotError, ValueError) as error:  # as of an unknown dialect
        raise ConfigurationError(f"the statement cannot be read: {error}") from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise ConfigurationError("only one SELECT can be registered, and nothing that writes")
    tree = trees[0]
    _check_reads_only(tree)
    return _Reading(tree, name).statement()


def _check_reads_only(tree: exp.Select) -> None:
    from sqlglot import exp

    writing = (
        *(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter),
        *(exp.Command, exp.Into, exp.Lock),
    )
    found = tree.find(*writing)
    if found is not None:
        raise ConfigurationError(
            f"the statement would write or lock ({found.key.upper()}): only a SELECT that reads "
            "can be registered"
        )
    for unnamed in tree.find_all(exp.Placeholder, exp.Parameter):
        if not (isinstance(unnamed, exp.Placeholder) and unnamed.name.isidentifier()):
            raise ConfigurationError("parameters have names, as in WHERE month = :month")


class _Reading:
    """One statement being read."""

    def __init__(self, tree: exp.Select, dialect: str) -> None:
        from sqlglot import exp
        from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

        self._dialect = dialect
        self._tree = normalize_identifiers(tree, dialect=dialect)
        self._sources = {table.alias_or_name: table for table in tree.find_all(exp.Table)}
        within = {cte.alias for cte in tree.find_all(exp.CTE)}
        self._tables = frozenset(
            table.name for table in self._sources.values() if table.name not in within
        )

    def statement(self) -> Statement:
        from sqlglot import exp

        parameters = frozenset(each.name for each in self._tree.find_all(exp.Placeholder))
        groups, kind, column = self._selected()
        conditions, fixed = self._conditions(parameters)
        if conditions is None:
            kind, column = "value", ""
        adds_up = kind != "value"
        fetched = ("value", *self._also(kind, column))
        text, constants = self._executed(groups, fetched)
        family = self._family(conditions, fixed, groups) if adds_up else text
        return Statement(
            text,
            constants,
            parameters,
            self._several(),
            self._tables,
            kind,
            column,
            groups,
            tuple(conditions or ()) if adds_up else (),
            family,
            fetched,
        )

    def _several(self) -> tuple[str, ...]:
        from sqlglot import exp

        within = (each.args.get("field") for each in self._tree.find_all(exp.In))
        return tuple(sorted(each.name for each in within if isinstance(each, exp.Placeholder)))

    def _selected(self) -> tuple[tuple[str, ...], str, str]:
        """Return the columns of the groups, and the kind and column of the aggregate."""
        from sqlglot import exp

        group = self._tree.args.get("group")
        by = [self._sql(each) for each in group.expressions] if group else []
        values = [
            (each, each.unalias())
            for each in self._tree.expressions
            if self._sql(each.unalias()) not in by
        ]
        chosen = [
            self._sql(each.unalias())
            for each in self._tree.expressions
            if self._sql(each.unalias()) in by
        ]
        if len(values) != 1 or isinstance(values[0][1], exp.Star):
            raise ConfigurationError(
                "a statement selects one value, and the columns by which it groups"
            )
        if sorted(chosen) != sorted(by):
            raise ConfigurationError("all columns by which a statement groups have to be selected")
        kind, column = self._aggregate(values[0][1])
        if not all(isinstance(each, exp.Column) for each in (group.expressions if group else ())):
            kind, column = "value", ""
        return tuple(chosen), kind, column

    def _aggregate(self, value: exp.Expression) -> tuple[str, str]:
        from sqlglot import exp

        kinds = {exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg"}
        kind = kinds.get(type(value))
        inside = value.this
        plain = not any(
            self._tree.args.get(part)
            for part in ("having", "distinct", "limit", "offset", "with_", "order", "windows")
        )
        if kind is None or not plain or value.expressions or isinstance(inside, exp.Distinct):
            return "value", ""
        if any(inside.find_all(exp.Placeholder, exp.Subquery, exp.Window)):
            return "value", ""
        return kind, "*" if isinstance(inside, exp.Star) else self._sql(inside)

    def _conditions(
        self, parameters: frozenset[str]
    ) -> tuple[list[Condition] | None, list[exp.Expression]]:
        """Return what parameters choose, or None if it is no box; and what is fixed."""
        from sqlglot import exp

        where = self._tree.args.get("where")
        conditions: list[Condition] = []
        fixed: list[exp.Expression] = []
        for part in _conjuncts(where.this) if where else ():
            if not part.find(exp.Placeholder):
                fixed.append(part)
                continue
            found = self._compared(part)
            if not found:
                return None, fixed
            conditions += found
        used = [condition.parameter for condition in conditions]
        if len(set(used)) < len(used) or set(used) != parameters:
            return None, fixed  # a parameter elsewhere, as in a join, or twice
        return conditions, fixed

    def _compared(self, part: exp.Expression) -> list[Condition]:
        from sqlglot import exp

        operators: dict[type[exp.Expression], tuple[str, str]] = {
            exp.EQ: ("=", "="),
            exp.GTE: (">=", "<="),
            exp.GT: (">", "<"),
            exp.LTE: ("<=", ">="),
            exp.LT: ("<", ">"),
        }
        if isinstance(part, exp.Between) and isinstance(part.this, exp.Column):
            low, high = part.args["low"], part.args["high"]
            column = self._sql(part.this)
            pairs = ((low, ">="), (high, "<="))
            if part.args.get("symmetric"):
                return []
            found = []
            for each, operator in pairs:
                if isinstance(each, exp.Placeholder):
                    found.append(Condition(column, operator, each.name))
                else:
                    return []
            return found
        if isinstance(part, exp.In) and isinstance(part.this, exp.Column):
            several = part.args.get("field")
            if isinstance(several, exp.Placeholder):
                return [Condition(self._sql(part.this), "in", several.name)]
            return []
        both = operators.get(type(part))
        if both is None:
            return []
        left, right = part.this, part.expression
        if isinstance(left, exp.Column) and isinstance(right, exp.Placeholder):
            return [Condition(self._sql(left), both[0], right.name)]
        if isinstance(left, exp.Placeholder) and isinstance(right, exp.Column):
            return [Condition(self._sql(right), both[1], left.name)]
        return []

    def _also(self, kind: str, column: str) -> tuple[str, ...]:
        """Return names of what is fetched in the same scan, so that answers can be added up."""
        if kind == "value":
            return ()
        return (ROWS,) if column == "*" else (ROWS, COUNT, SUM)

    def _executed(
        self, groups: tuple[str, ...], fetched: tuple[str, ...]
    ) -> tuple[str, dict[str, str]]:
        from sqlglot import exp

        tree = self._tree.copy()
        by = [each for each in tree.expressions if self._sql(each.unalias()) in groups]
        value = next(each for each in tree.expressions if each not in by)
        selected = [each.unalias() for each in by]
        selected.append(exp.alias_(value.unalias(), "augury_value"))
        inside = value.unalias().this
        made = {
            ROWS: lambda: exp.Count(this=exp.Star()),
            COUNT: lambda: exp.Count(this=inside.copy()),
            SUM: lambda: exp.Sum(this=inside.copy()),
        }
        selected += [exp.alias_(made[name](), name) for name in fetched[1:]]
        tree.set("expressions", selected)
        constants: dict[str, str] = {}

        def replaced(node: exp.Expression) -> exp.Expression:
            if isinstance(node, exp.Placeholder):
                return exp.Var(this=f":{node.name}")
            if isinstance(node, exp.Literal) and node.is_string and ":" in node.name:
                name = f"augury_text_{len(constants)}"
                constants[name] = node.name
                return exp.Var(this=f":{name}")
            if isinstance(node, exp.Identifier) and ":" in node.name:
                raise ConfigurationError(f"a name with a colon, {node.name!r}, cannot be used")
            return node

        return tree.transform(replaced).sql(dialect=self._dialect, comments=False), constants

    def _family(
        self,
        conditions: list[Condition] | None,
        fixed: list[exp.Expression],
        groups: tuple[str, ...],
    ) -> str:
        parts = [self._sql(self._tree.args["from_"])] if self._tree.args.get("from_") else []
        parts += [self._sql(join) for join in self._tree.args.get("joins") or ()]
        parts += sorted(self._sql(part) for part in fixed)
        columns = {condition.column for condition in conditions or ()} | set(groups)
        return " | ".join((*parts, ", ".join(sorted(columns))))

    def _sql(self, node: exp.Expression) -> str:
        """Return the canonical text of a part; columns of an only table without its name."""
        from sqlglot import exp

        node = node.copy()
        if len(self._sources) == 1:
            for column in node.find_all(exp.Column):
                column.set("table", None)
            for table in node.find_all(exp.Table):
                table.set("alias", None)
        return str(node.sql(dialect=self._dialect, comments=False))


def _conjuncts(condition: exp.Expression) -> Iterator[exp.Expression]:
    """Yield what all has to hold."""
    from sqlglot import exp

    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    else:
        yield condition
