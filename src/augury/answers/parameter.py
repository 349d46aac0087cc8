"""Types of a query's parameters: what may be given, and as what it is learned from."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from types import GenericAlias
from typing import Any, get_args, get_origin

from augury.errors import ConfigurationError, QueryError
from augury.parameters import check_instance, shown

_KINDS = (str, int, float, bool, date, datetime)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter of a query may be.

    Where nothing but the type is to be said, the type does: ``str``, or ``list[int]`` for a
    parameter that takes several values, as ``IN :values`` does.

    Parameters
    ----------
    kind
        One of ``str``, ``int``, ``float``, ``bool``, ``date`` and ``datetime``, which has no time
        zone: make it one of UTC. Texts are categories; the others are ordered. ``int`` also says
        that the column that it is compared with holds whole numbers only.
    several
        Whether it is a list of values. False by default.
    values
        All values that are allowed; by default any.
    least, most
        The limits of what is allowed, both included; by default none.

    Raises
    ------
    ConfigurationError
        If that makes no sense.

    Examples
    --------
    >>> Parameter(int, least=1, most=12).checked("month", 7)
    7
    >>> Parameter(int, least=1, most=12).checked("month", 13)
    Traceback (most recent call last):
    augury.errors.QueryError: parameter month must be at most 12, not 13
    >>> Parameter(str).checked("carrier", "UA' OR 1=1")  # a value is never part of the statement
    "UA' OR 1=1"
    """

    kind: type[Any]
    several: bool = False
    values: Collection[Any] | None = None
    least: Any = None
    most: Any = None

    def __post_init__(self) -> None:
        check_instance("several", self.several, bool)
        if not isinstance(self.kind, type) or self.kind not in _KINDS:
            raise ConfigurationError(
                f"a parameter is one of {', '.join(kind.__name__ for kind in _KINDS)}, "
                f"not {shown(self.kind)}"
            )
        if isinstance(self.values, str | bytes) or not isinstance(self.values, Collection | None):
            raise ConfigurationError(f"values must be a list or None, not {shown(self.values)}")
        for limit in (self.least, self.most, *(() if self.values is None else self.values)):
            if limit is not None and not self._fits(limit):
                raise ConfigurationError(
                    f"{shown(limit)} is no {self.kind.__name__}, as the parameter is"
                )
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ConfigurationError(
                f"no value is both at least {shown(self.least)} and at most {shown(self.most)}"
            )

    @classmethod
    def of(cls, given: Any) -> Parameter:
        """Return a parameter of what stands for one: itself, ``int``, or ``list[int]``.

        Parameters
        ----------
        given
            One of these.

        Raises
        ------
        ConfigurationError
            If it stands for no parameter.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, GenericAlias) and get_origin(given) is list:
            return cls(get_args(given)[0], several=True)
        if isinstance(given, type):
            return cls(given)
        raise ConfigurationError(
            f"{shown(given)} is no type of a parameter, such as int or list[str]"
        )

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers or points in time, rather than categories."""
        return self.kind is not str

    def checked(self, name: str, given: Any) -> Any:
        """Return a value as the database gets it, or raise a `QueryError`.

        Parameters
        ----------
        name
            Of the parameter, for the error.
        given
            What the caller passed.

        Raises
        ------
        QueryError
            If it is no value that the parameter may have.
        """
        if not self.several:
            return self._checked(name, given)
        if not isinstance(given, list | tuple | set | frozenset):
            raise QueryError(f"parameter {name} must be a list, not {shown(given)}")
        if not given:
            raise QueryError(f"parameter {name} must not be empty")
        return sorted({self._checked(name, each) for each in given})

    def _checked(self, name: str, given: Any) -> Any:
        if not self._fits(given):
            raise QueryError(f"parameter {name} must be {_A[self.kind]}, not {shown(given)}")
        if self.values is not None and given not in self.values:
            raise QueryError(f"parameter {name} has no value {shown(given)}")
        if self.least is not None and given < self.least:
            raise QueryError(f"parameter {name} must be at least {self.least}, not {shown(given)}")
        if self.most is not None and given > self.most:
            raise QueryError(f"parameter {name} must be at most {self.most}, not {shown(given)}")
        # Equal numbers have one answer, but 1 / 2 is another than 1 / 2.0 to a database.
        return float(given) if self.kind is float else given

    def _fits(self, given: Any) -> bool:
        kind = type(given)
        if self.kind is float:
            return (kind is float and math.isfinite(given)) or (kind is int and abs(given) < 2**53)
        if self.kind is int:
            return kind is int and abs(given) < 2**53
        if self.kind is str:
            # Databases take no NUL, and no half of a surrogate pair can be sent to one.
            return kind is str and "\0" not in given and (given.isascii() or _encodes(given))
        if self.kind is datetime:
            # Equal moments of two zones have one answer, but are not the same to a database.
            return kind is datetime and given.tzinfo is None
        return kind is self.kind


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_A = {
    str: "a text",
    int: "a whole number",
    float: "a finite number",
    bool: "True or False",
    date: "a date",
    datetime: "a datetime without a time zone",
}

_DAY = 86_400.0
_EPOCH = datetime(1970, 1, 1)


def number_of(value: Any) -> float:
    """Return the number that an ordered value is learned as: of points in time, seconds.

    Examples
    --------
    >>> number_of(True), number_of(2.5), number_of(date(1970, 1, 2))
    (1.0, 2.5, 86400.0)
    """
    if isinstance(value, datetime):
        if value.tzinfo is not None:  # the column of a group
            return value.timestamp()
        return (value - _EPOCH).total_seconds()
    if isinstance(value, date):
        return (value.toordinal() - _EPOCH.toordinal()) * _DAY
    return float(value)


def next_number(value: float, *, whole: bool) -> float:
    """Return the next number that a column may hold after this one."""
    return math.floor(value) + 1.0 if whole else math.nextafter(value, math.inf)
