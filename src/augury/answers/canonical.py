"""One form of statements that ask the same, by which they are compared and keep their answers."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

_SWAPPED: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.EQ: exp.EQ,
    exp.GTE: exp.LTE,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.LT: exp.GT,
}


def canonical(tree: exp.Select, dialect: str) -> exp.Select:
    """Return a copy with names as the database has them, and without needless qualifiers."""
    tree = tree.copy()
    rules = Dialect.get_or_raise(dialect)
    for name in tree.find_all(exp.Identifier):
        # Quoted ones stay: SQLite takes "JFK" for a text if there is no such column.
        if not name.args.get("quoted"):
            rules.normalize_identifier(name)
    if only_table(tree) is not None:
        for column in tree.find_all(exp.Column):
            for part in ("table", "db", "catalog"):
                column.set(part, None)
        for table in tree.find_all(exp.Table):
            table.set("alias", None)
    return tree


def only_table(tree: exp.Select) -> exp.Table | None:
    """Return the one table that a statement reads, if it reads no more, and that once."""
    found = list(tree.find_all(exp.Table))
    begins = tree.args.get("from_")
    if begins is None or len(found) != 1 or begins.this is not found[0]:
        return None
    if any(tree.find_all(exp.Subquery, exp.Lateral, exp.Unnest, exp.Join)):
        return None
    table = found[0]
    alias = table.args.get("alias")
    named = isinstance(table.this, exp.Identifier) and not (alias and alias.columns)
    return table if named else None


def conjuncts(condition: exp.Expression) -> Iterator[exp.Expression]:
    """Yield what all has to hold, each with its column on the left.

    ``BETWEEN`` becomes two, ``= ANY(:list)`` becomes ``IN :list``.
    """
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
        return
    if isinstance(condition, exp.Between) and not condition.args.get("symmetric"):
        this = condition.this
        yield exp.GTE(this=this.copy(), expression=condition.args["low"].copy())
        yield exp.LTE(this=this.copy(), expression=condition.args["high"].copy())
        return
    swapped = _SWAPPED.get(type(condition))
    if swapped is not None:
        left, right = condition.this, condition.expression
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
            yield swapped(this=right.copy(), expression=left.copy())
            return
    yield listed(condition)


def listed(node: exp.Expression) -> exp.Expression:
    """Return the ``IN :list`` that ``= ANY(:list)`` and ``IN (:list)`` mean; all else as it is."""
    if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
        within = node.expression.this.unnest()
        if isinstance(within, exp.Placeholder):
            return exp.In(this=node.this.copy(), field=within.copy())
    if isinstance(node, exp.In) and len(node.expressions) == 1:
        within = node.expressions[0].unnest()
        if isinstance(within, exp.Placeholder):
            return exp.In(this=node.this.copy(), field=within.copy())
    return node
