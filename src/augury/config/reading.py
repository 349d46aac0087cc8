"""Reads a configuration: a TOML file, the environment over it, and all mistakes at once."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableError

from augury.config.mistakes import told
from augury.config.sections.section import Section
from augury.errors import SettingsError

S = TypeVar("S", bound=Section)
Table = dict[str, Any]

PREFIX = "AUGURY_"
"""What variables of the environment begin with: ``AUGURY_SERVICE__PORT``."""
BETWEEN = "__"
FILE = "AUGURY_CONFIG"
"""The variable that names the file."""
DEFAULT_FILE = Path("augury.toml")
_MOST = 16 << 20  # bytes of a file: one that has no end is none


@dataclass(frozen=True, slots=True)
class Read(Generic[S]):
    """A configuration, and where it was read."""

    settings: S
    file: Path | None
    """The file, if there is one."""
    in_file: Table
    """What the file says."""
    in_environment: Table
    """What the environment says, under the names of the file."""

    def origin(self, *key: str) -> str:
        """Return where a value comes from: "environment", "file" or "default".

        Parameters
        ----------
        key
            Of the value, table by table.
        """
        for table, name in ((self.in_environment, "environment"), (self.in_file, "file")):
            if _holds(table, key):
                return name
        return "default"


def read(kind: type[S], path: Path | None, check: Callable[[S], list[str]]) -> Read[S]:
    """Read a configuration.

    Parameters
    ----------
    kind
        What it is read as.
    path
        The file; None for the one that the environment names, or ``augury.toml`` if it is there.
    check
        Returns what else is wrong, a line each.

    Raises
    ------
    SettingsError
        If it cannot be read, or has mistakes.
    """
    file = path or _file()
    in_file = {} if file is None else _toml(file)
    in_environment = _named_as(in_file, _environment(kind))
    both = _merged(in_file, in_environment)
    folder = Path() if file is None else file.parent
    try:
        settings = kind.model_validate(both, context={"folder": folder})
    except ValidationError as error:
        mistakes = [*_strangers(kind), *told(kind, error)]
    else:
        mistakes = [*_strangers(kind), *check(settings)]
    if mistakes:
        raise SettingsError(mistakes)
    return Read(settings, file, in_file, in_environment)


def _file() -> Path | None:
    if named := os.environ.get(FILE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _toml(file: Path) -> Table:
    try:
        with file.open("rb") as opened:
            read = opened.read(_MOST + 1)
    except OSError as error:
        raise SettingsError([f"cannot read the configuration {file}: {error.strerror}"]) from None
    if len(read) > _MOST:
        raise SettingsError([f"{file}: is longer than {_MOST >> 20} MiB, so no configuration"])
    try:
        return tomllib.loads(read.decode())
    except UnicodeDecodeError:
        raise SettingsError([f"{file}: is no text in UTF-8"]) from None
    except RecursionError:
        raise SettingsError([f"{file}: is nested too deeply"]) from None
    except ValueError as error:  # besides a TOMLDecodeError: a number of thousands of digits
        raise SettingsError([f"{file}: is no TOML: {str(error).partition(';')[0]}"]) from None


def _environment(kind: type[BaseModel]) -> Table:
    # It asks for no more than the fields of a model, which need not read settings itself.
    settings = cast("type[BaseSettings]", kind)
    try:
        return EnvSettingsSource(settings, env_prefix=PREFIX, env_nested_delimiter=BETWEEN)()
    except (UnreadableError, RecursionError):
        raise SettingsError(
            [f"{_no_json(kind)}: is no valid JSON, as a list or a table is given"]
        ) from None


def _no_json(kind: type[BaseModel]) -> str:
    """Return the first variable that should be JSON and is not."""
    whole = {PREFIX + name.upper() for name in kind.model_fields}
    for name, value in os.environ.items():
        given = value.lstrip()[:1] in ("[", "{") or name.upper() in whole
        if name.upper().startswith(PREFIX) and given:
            try:
                json.loads(value)
            except (ValueError, RecursionError):
                return name
    return f"{PREFIX}..."


def _strangers(kind: type[BaseModel]) -> list[str]:
    """Return a line for each variable that looks like one of ours and is none."""
    known = {name.upper() for name in kind.model_fields}
    return [
        f"{name}: there is no section {section.lower()!r}; there are: "
        f"{', '.join(sorted(kind.model_fields))}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and BETWEEN in name
        if (section := name.removeprefix(PREFIX).partition(BETWEEN)[0]) not in known
    ]


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(".", "_")


def _named_as(file: Mapping[str, Any], environment: Table) -> Table:
    """Return what the environment says under the names that the file has.

    Variables cannot tell ``Users`` from ``users``, nor contain ``-`` or ``.``.
    """
    written = {_plain(name): name for name in file}
    named: Table = {}
    for name, value in environment.items():
        own = written.get(_plain(name), name)
        below = file.get(own)
        named[own] = (
            _named_as(below if isinstance(below, dict) else {}, value)
            if isinstance(value, dict)
            else value
        )
    return named


def _merged(below: Table, above: Table) -> Table:
    merged = dict(below)
    for name, value in above.items():
        known = merged.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[name] = _merged(known, value)
        else:
            merged[name] = value
    return merged


def _holds(table: Any, key: tuple[str, ...]) -> bool:
    for name in key:
        if not isinstance(table, dict):
            return True  # a list or a short form stands for all that is in it
        if name not in table:
            return False
        table = table[name]
    return True
