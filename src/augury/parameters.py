"""Checks of what users give, so that a mistake is told at once, in a line, by its name."""

from __future__ import annotations

import math
import reprlib
from typing import Any

from augury.errors import ConfigurationError


def check_number(name: str, given: object, *, least: float = 0.0, unit: str = "seconds") -> None:
    """Raise a `ConfigurationError` unless this is a finite number above `least`.

    Examples
    --------
    >>> check_number("timeout", "5")
    Traceback (most recent call last):
    augury.errors.ConfigurationError: timeout must be a number of seconds above 0, not '5'
    """
    try:
        fits = _is_number(given) and least < float(given) < math.inf  # type: ignore[arg-type]
    except OverflowError:  # an integer beyond all floats
        fits = False
    if not fits:
        raise ConfigurationError(
            f"{name} must be a number of {unit} above {least:g}, not {shown(given)}"
        )


def check_integer(name: str, given: object, *, least: int = 1) -> None:
    """Raise a `ConfigurationError` unless this is an integer of at least so much.

    Examples
    --------
    >>> check_integer("queue", True)
    Traceback (most recent call last):
    augury.errors.ConfigurationError: queue must be an integer of 1 or more, not True
    """
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise ConfigurationError(
            f"{name} must be an integer of {least} or more, not {shown(given)}"
        )


def check_instance(name: str, given: object, kind: type[Any]) -> None:
    """Raise a `ConfigurationError` unless this is an object of a class.

    Examples
    --------
    >>> check_instance("name", None, str)
    Traceback (most recent call last):
    augury.errors.ConfigurationError: name must be a str, not None
    """
    if not isinstance(given, kind):
        raise ConfigurationError(f"{name} must be a {kind.__name__}, not {shown(given)}")


def check_function(name: str, given: object) -> None:
    """Raise a `ConfigurationError` unless this can be called.

    Examples
    --------
    >>> check_function("clock", 5)
    Traceback (most recent call last):
    augury.errors.ConfigurationError: clock must be callable, not 5
    """
    if not callable(given):
        raise ConfigurationError(f"{name} must be callable, not {shown(given)}")


def shown(given: object) -> str:
    """Return a value as errors show it: short, and in one line.

    Examples
    --------
    >>> shown(10**5000), shown("x" * 100)
    ('one of thousands of digits', "'xxxxxxxxxxxx...xxxxxxxxxxxxx'")
    """
    try:
        return " ".join(reprlib.repr(given).split())
    except ValueError:  # an integer of so many digits that Python does not print it
        return "one of thousands of digits"


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
