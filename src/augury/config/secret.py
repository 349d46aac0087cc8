"""Addresses with passwords in them, which are never shown."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Secret

_VARIABLE = re.compile(r"\$\{(\w+)\}", re.ASCII)
_PARTS = re.compile(
    r"(?P<scheme>[\w+.-]+://)(?P<user>.*@)?(?P<rest>[^?]*)(?P<query>\?.*)?", re.DOTALL
)


class Address(Secret[str]):
    """A URL, shown without what may be a password.

    Examples
    --------
    >>> print(Address("redis://me:secret@127.0.0.1:6379/0"))
    redis://***@127.0.0.1:6379/0
    >>> Address("redis://me:secret@127.0.0.1:6379/0").get_secret_value()
    'redis://me:secret@127.0.0.1:6379/0'
    """

    def _display(self) -> str:
        parts = _PARTS.fullmatch(self.get_secret_value())
        if parts is None:
            return "***"
        user, query = parts["user"] and "***@", parts["query"] and "?***"
        return f"{parts['scheme']}{user or ''}{parts['rest']}{query or ''}"


def with_variables(given: Any) -> Any:
    """Return a text with the environment's variables in place of ``${NAME}``.

    Raises
    ------
    ValueError
        If there is no such variable.

    Examples
    --------
    >>> with_variables("redis://:${NO_SUCH_PASSWORD}@127.0.0.1")
    Traceback (most recent call last):
    ValueError: needs the environment variable NO_SUCH_PASSWORD, which is not set
    """
    if isinstance(given, Secret):
        return given
    if not isinstance(given, str):
        raise ValueError("must be a URL")

    def value_of(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise ValueError(
                f"needs the environment variable {match[1]}, which is not set"
            ) from None

    return _VARIABLE.sub(value_of, given)


SecretUrl = Annotated[Address, BeforeValidator(with_variables)]
"""An address in a configuration, in which ``${NAME}`` stands for a variable of the environment."""
