"""Quantities as people write them: ``"64MiB"``, ``"5m"``, ``"5%"``."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from augury.errors import ConfigurationError
from augury.simulation import capacity_of

_SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d|)", re.ASCII)
_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_MOST = 2**62


def seconds_of(given: Any) -> float:
    """Return a span of time in seconds.

    Parameters
    ----------
    given
        A number of seconds, or text with a unit: ``ms``, ``s``, ``m``, ``h`` or ``d``.

    Raises
    ------
    ValueError
        If it is neither, or not above 0.

    Examples
    --------
    >>> seconds_of("5m"), seconds_of("250ms"), seconds_of(1.5)
    (300.0, 0.25, 1.5)
    """
    seconds = math.nan
    if isinstance(given, str) and (match := _SPAN.fullmatch(given.strip())):
        seconds = float(match["number"]) * _UNITS[match["unit"]]
    elif isinstance(given, int | float) and not isinstance(given, bool):
        seconds = float(given)
    if not 0 < seconds < _MOST:
        raise ValueError("must be a time above 0: seconds, or text such as '250ms', '60s' or '5m'")
    return seconds


def bytes_of(given: Any) -> int:
    """Return a number of bytes.

    Parameters
    ----------
    given
        The number, or text with a unit: ``kB``, ``MiB`` and so on.

    Raises
    ------
    ValueError
        If it is neither, or less than 1.

    Examples
    --------
    >>> bytes_of("64MiB"), bytes_of("1.5kB"), bytes_of(100)
    (67108864, 1500, 100)
    """
    try:
        return _capacity(given, by_bytes=True)
    except ConfigurationError:
        raise ValueError("must be a size above 0: bytes, or text such as '64MiB'") from None


def capacity_is_bytes(given: int | str) -> bool:
    """Return whether a capacity is one of bytes, rather than of entries.

    Examples
    --------
    >>> capacity_is_bytes("64MiB"), capacity_is_bytes("5000"), capacity_is_bytes(5000)
    (True, False, False)
    """
    return isinstance(given, str) and not given.strip().isdecimal()


def checked_capacity(given: Any) -> int | str:
    """Return a capacity as it was written, if it is one.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        _capacity(given, by_bytes=isinstance(given, str) and capacity_is_bytes(given))
    except ConfigurationError:
        raise ValueError(
            "must be a whole number of entries above 0, or bytes with a unit, such as '64MiB'"
        ) from None
    capacity: int | str = given
    return int(capacity) if not capacity_is_bytes(capacity) else capacity


def _capacity(given: Any, *, by_bytes: bool) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str) or "%" in str(given):
        raise ConfigurationError("neither a number nor a text")
    return capacity_of(given, 0, by_bytes=by_bytes)


Seconds = Annotated[float, BeforeValidator(seconds_of)]
"""A span of time."""
Bytes = Annotated[int, BeforeValidator(bytes_of)]
"""A size."""
Capacity = Annotated[int | str, BeforeValidator(checked_capacity)]
"""What a cache holds: entries, or text with a unit of bytes."""
