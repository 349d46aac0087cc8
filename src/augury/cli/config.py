"""`augury config`: checks a configuration, shows what it may hold, and makes tokens."""

from __future__ import annotations

import json as json_format
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augury.cli.terminal import console, print_json
from augury.cli.trace import JsonOption
from augury.errors import SourceError

if TYPE_CHECKING:
    from augury.config import Built, Settings

group = typer.Typer(help="Check a configuration, show what it may hold, and make tokens.")

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="TOML; else that of AUGURY_CONFIG, else augury.toml."),
]


@group.command()
def check(
    file: FileArgument = None,
    json: JsonOption = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Ask tiers and databases how they are.")
    ] = False,
) -> None:
    """Tell all mistakes of a configuration; print what is in effect, and where it comes from."""
    from augury.config import build
    from augury.config.settings import read_settings

    read = read_settings(file)
    with tempfile.TemporaryDirectory() as scratch:
        settings = read.settings if connect else _without_new_folders(read.settings, Path(scratch))
        with build(settings) as built:
            health = dict(_health(built)) if connect else {}
    values = dict(_flat(read.settings.model_dump(mode="json")))
    origins = {key: read.origin(*key.split(".")) for key in values}
    if json:
        path = None if read.file is None else str(read.file)
        told = {key: {"value": values[key], "from": origins[key]} for key in values}
        print_json({"file": path, "settings": told, **({"health": health} if connect else {})})
    else:
        where = "no file" if read.file is None else str(read.file)
        _print(f"{where}: no mistakes")
        for key, value in values.items():
            _print(f"{key} = {json_format.dumps(value, ensure_ascii=False)}  # {origins[key]}")
        for name, state in health.items():
            _print(f"{name}: {state}")
    if any(not state.startswith("up") for state in health.values()):
        raise typer.Exit(1)


@group.command()
def keys(json: JsonOption = False) -> None:
    """Print all that a configuration may hold, with defaults."""
    from augury.config.describing import keys as described

    if json:
        print_json(
            [{"key": k.name, "default": k.default, "meaning": k.meaning} for k in described()]
        )
        return
    for key in described():
        _print(f"{key.name} = {key.default}\n    {key.meaning}")


@group.command()
def example() -> None:
    """Print a configuration to begin with."""
    print((resources.files("augury.config") / "example.toml").read_text(), end="")


@group.command()
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    scopes: Annotated[
        str, typer.Option("--scopes", help="What it may do, of read,write,admin.")
    ] = "read",
    json: JsonOption = False,
) -> None:
    """Make a random token. It is printed once and kept nowhere: the configuration has its hash."""
    from augury.config.tokens import make_token

    made, section = make_token(name, [each.strip() for each in scopes.split(",")])
    allowed = list(section.scopes)
    if json:
        print_json({"name": name, "token": made, "sha256": section.sha256, "scopes": allowed})
        return
    print(f"# The token, which is shown only now: {made}")
    print("# Paste into the configuration:")
    print(f"[service.tokens.{json_format.dumps(name) if '.' in name else name}]")
    print(f'sha256 = "{section.sha256}"')
    print(f"scopes = {json_format.dumps(allowed)}")


def _print(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _flat(table: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Return each value that is no table, by its dotted key."""
    parts = table.items() if isinstance(table, dict) else enumerate(table)
    for name, value in parts:
        own = f"{key}.{name}" if key else str(name)
        tables = isinstance(value, list) and value and all(isinstance(it, dict) for it in value)
        if (isinstance(value, dict) and value) or tables:
            yield from _flat(value, own)
        elif value is not None:
            yield own, value


def _without_new_folders(settings: Settings, scratch: Path) -> Settings:
    # Whoever checks may be another user than who serves, and would own the folders.
    registry, training = settings.registry, settings.training
    if registry is not None and not registry.exists():
        registry = scratch / "registry"
    if training.folder is not None and not training.folder.exists():
        training = training.model_copy(update={"folder": scratch / "training"})
    return settings.model_copy(update={"registry": registry, "training": training})


def _health(built: Built) -> Iterator[tuple[str, str]]:
    from augury.answers.database import Database
    from augury.tiers import Tiers

    for name, cache in built.caches.items():
        if isinstance(cache, Tiers):
            for tier, health in cache.health().items():
                yield f"caches.{name}.{tier}", str(health)
    for name, section in built.settings.answers.items():
        with Database(section.database.get_secret_value()) as database:
            try:
                database.read("SELECT 1")
            except SourceError as error:
                yield f"answers.{name}.database", f"down: {error}"
            else:
                yield f"answers.{name}.database", "up"
