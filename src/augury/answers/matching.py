"""Finds the registered statement that a text with literals asks, and what it asks it for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlglot import exp

from augury.answers.canonical import canonical, conjuncts, listed
from augury.answers.parameter import Parameter
from augury.answers.statement import parse
from augury.errors import ConfigurationError, QueryError

_STEPS = 1_000
"""How many orders of conditions are tried at most."""

_MOMENTS = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.DATETIME)

Shape = tuple[str, frozenset[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement apart from how it was written."""

    rest: exp.Select
    """All but its conditions."""
    conditions: tuple[tuple[str, exp.Expression], ...]
    """What all has to hold, each with its text without constants."""
    shape: Shape
    """Equal for whatever may be the same statement with other constants."""


@dataclass(frozen=True, slots=True)
class _Registered:
    name: str
    form: _Form
    parameters: Mapping[str, Parameter]


class Matching:
    """Registered statements of a database, by what they ask.

    Parameters
    ----------
    dialect
        Name of the database, as SQLAlchemy has it.

    Examples
    --------
    >>> matching = Matching("sqlite")
    >>> matching.add(
    ...     "count",
    ...     "SELECT count(*) FROM flights WHERE month BETWEEN :first AND :last",
    ...     {"first": Parameter(int), "last": Parameter(int)},
    ... )
    >>> matching.find("SELECT COUNT(*) AS n FROM flights f WHERE f.month <= 3 AND 1 <= f.month")
    ('count', {'first': 1, 'last': 3})
    """

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._registered: dict[Shape, list[_Registered]] = {}

    def add(self, name: str, sql: str, parameters: Mapping[str, Parameter]) -> None:
        """Let a registered statement be found."""
        form = self._form(sql)
        self._registered.setdefault(form.shape, []).append(_Registered(name, form, parameters))

    def find(self, sql: str) -> tuple[str, dict[str, Any]]:
        """Return the name of the query that a text asks, and the values of its parameters.

        Of several that ask the same, the one that was registered first.

        Raises
        ------
        QueryError
            If no registered statement is the same, but for the values of its parameters.
        """
        try:
            form = self._form(sql)
        except ConfigurationError as error:
            raise QueryError(str(error)) from None
        for each in self._registered.get(form.shape, ()):
            values = _values(each, form)
            if values is not None:
                return each.name, values
        raise QueryError(
            "no registered query is this one, with values of its types for parameters: register "
            "it first"
        )

    def _form(self, sql: str) -> _Form:
        tree, dialect = parse(sql, self._dialect)
        tree = canonical(tree.transform(listed), dialect)
        where = tree.args.get("where")
        found = tuple(conjuncts(where.this)) if where else ()
        tree.set("where", None)
        _leave_aliases_out(tree)
        conditions = tuple((_text(each, dialect), each) for each in found)
        counts = Counter(text for text, _ in conditions)
        return _Form(tree, conditions, (_text(tree, dialect), frozenset(counts.items())))


def _leave_aliases_out(tree: exp.Select) -> None:
    """Leave out names of what is selected, where nothing can mean them."""
    if any(tree.args.get(part) for part in ("order", "having", "qualify", "distinct")):
        return
    aliases = {each.alias for each in tree.expressions if each.alias}
    group = tree.args.get("group")
    if group is None or not any(c.name in aliases for c in group.find_all(exp.Column)):
        tree.set("expressions", [each.unalias() for each in tree.expressions])


def _text(node: exp.Expression, dialect: str) -> str:
    """Return a text that does not depend on constants and names of parameters."""

    def masked(each: exp.Expression) -> exp.Expression:
        if isinstance(each, exp.In) and (each.args.get("field") or _constants(each) is not None):
            return exp.In(this=each.this.transform(masked), field=exp.Placeholder())
        constant = isinstance(each, exp.Placeholder) or _constant(each) is not None
        return exp.Placeholder() if constant else each

    return str(node.transform(masked).sql(dialect=dialect, comments=False))


def _values(registered: _Registered, asked: _Form) -> dict[str, Any] | None:
    """Return the values for which a registered statement is the one that is asked, if it is."""
    first: dict[str, Any] = {}
    if not _unify(registered.form.rest, asked.rest, first, registered.parameters):
        return None
    wanted = registered.form.conditions
    steps = iter(range(_STEPS))

    def assign(at: int, free: frozenset[int], values: dict[str, Any]) -> dict[str, Any] | None:
        if at == len(wanted):
            return values
        text, condition = wanted[at]
        for each in sorted(free):
            if asked.conditions[each][0] != text or next(steps, None) is None:
                continue
            more = dict(values)
            if _unify(condition, asked.conditions[each][1], more, registered.parameters):
                found = assign(at + 1, free - {each}, more)
                if found is not None:
                    return found
        return None

    return assign(0, frozenset(range(len(asked.conditions))), first)


def _unify(
    registered: Any, asked: Any, values: dict[str, Any], parameters: Mapping[str, Parameter]
) -> bool:
    """Tell whether both are the same but for constants in place of parameters; note these."""
    if isinstance(registered, exp.Placeholder):
        return _bind(registered.name, _constant(asked), values, parameters)
    if isinstance(registered, exp.In) and isinstance(registered.args.get("field"), exp.Placeholder):
        return (
            isinstance(asked, exp.In)
            and _unify(registered.this, asked.this, values, parameters)
            and _bind(registered.args["field"].name, _constants(asked), values, parameters)
        )
    if isinstance(registered, list) and isinstance(asked, list):
        return len(registered) == len(asked) and all(
            _unify(one, other, values, parameters)
            for one, other in zip(registered, asked, strict=True)
        )
    if not isinstance(registered, exp.Expression):
        return bool(registered == asked)
    return type(registered) is type(asked) and all(
        _unify(registered.args.get(part) or None, asked.args.get(part) or None, values, parameters)
        for part in sorted(registered.args.keys() | asked.args.keys())
    )


def _bind(
    name: str, constant: Any, values: dict[str, Any], parameters: Mapping[str, Parameter]
) -> bool:
    kind = parameters[name]
    if constant is None or kind.several != isinstance(constant, list):
        return False
    found = [_typed(each, kind.kind) for each in (constant if kind.several else [constant])]
    if any(each is None for each in found):
        return False
    value = found if kind.several else found[0]
    return bool(values.setdefault(name, value) == value)


@dataclass(frozen=True, slots=True)
class _Constant:
    text: str
    kind: str
    """``text``, ``number``, ``truth`` or ``moment``."""


def _constant(node: Any) -> _Constant | None:
    """Return the constant that a node is, if it is one."""
    if isinstance(node, exp.Literal):
        return _Constant(node.name, "text" if node.is_string else "number")
    if isinstance(node, exp.Boolean):
        return _Constant(str(node.this), "truth")
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return None if node.this.is_string else _Constant(f"-{node.this.name}", "number")
    if isinstance(node, exp.Cast) and node.to.this in _MOMENTS:
        within = _constant(node.this)
        return _Constant(within.text, "moment") if within and within.kind == "text" else None
    return None


def _constants(node: Any) -> list[_Constant] | None:
    """Return what an ``IN (…)`` lists, if that is constants only."""
    if not isinstance(node, exp.In) or not node.expressions:
        return None
    found = [_constant(each) for each in node.expressions]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else None


def _typed(constant: _Constant, kind: type[Any]) -> Any:
    """Return a constant as a value of a parameter's type, or None if it is of another."""
    readers: dict[tuple[str, type[Any]], Any] = {
        ("text", str): str,
        ("number", int): int,
        ("number", float): float,
        ("truth", bool): lambda text: text == "True",
        **{(of, date): date.fromisoformat for of in ("text", "moment")},
        **{(of, datetime): datetime.fromisoformat for of in ("text", "moment")},
    }
    with suppress(KeyError, ValueError):
        return readers[constant.kind, kind](constant.text)
    return None
