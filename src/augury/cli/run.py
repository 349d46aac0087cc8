"""Finds the subcommands, runs one, and turns errors into a line and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import sys
from importlib.metadata import version
from typing import Annotated

import typer

import augury.cli
from augury.cli.terminal import printable
from augury.errors import AuguryError, SettingsError

MISTAKE = 2
INTERRUPTED = 130


def application() -> typer.Typer:
    """Return the command line with every subcommand of this package."""
    app = typer.Typer(
        name="augury",
        help="A key-value cache that infers what to keep, and what it would save.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        _: Annotated[
            bool,
            typer.Option(
                "--version", help="Print the version.", callback=_print_version, is_eager=True
            ),
        ] = False,
    ) -> None:
        pass

    for found in pkgutil.iter_modules(augury.cli.__path__):
        module = importlib.import_module(f"augury.cli.{found.name}")
        if command := getattr(module, "command", None):
            app.command(found.name)(command)
        elif group := getattr(module, "group", None):
            app.add_typer(group, name=found.name)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        print(f"augury {version('augury')}")
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    if sys.stdout is None:
        return _complain("standard output is closed; send it to a file, or to /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of curves and names, where it is not UTF-8
    try:
        code = typer.main.get_command(application()).main(
            arguments, prog_name="augury", standalone_mode=False
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SettingsError as error:
        for mistake in error.mistakes:
            _complain(mistake)
        return MISTAKE
    except AuguryError as error:
        return _complain(str(error))
    except typer.TyperException as error:
        return _complain(error.format_message())
    except BrokenPipeError:
        _discard_output()  # whoever read it has enough
        return 0
    except (KeyboardInterrupt, typer.Abort):
        print("augury: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            _discard_output()
        return _complain(f"{error.filename or 'cannot write the output'}: {error.strerror}")


def _discard_output() -> None:
    # Otherwise Python would try to flush it again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(why: str) -> int:
    if why:  # nothing when no subcommand was named: the help has been printed
        print(f"augury: {printable(' '.join(why.split()))}", file=sys.stderr)
    return MISTAKE
