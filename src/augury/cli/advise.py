"""`augury advise`: tells what would make a Redis or Valkey server hit more, or take less."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from augury.advice.redis import advise
from augury.cli.advise_report import report
from augury.cli.terminal import notes, print_json, progress, writable_text
from augury.cli.trace import JsonOption


def command(
    redis: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="AUGURY_REDIS",
            show_default=False,
            show_envvar=False,
            help="Of the server: redis://[user:password@]host:port/database, rediss://, unix://."
            " From $AUGURY_REDIS if it is left out, where no other user sees the password.",
        ),
    ],
    seconds: Annotated[float, typer.Option(help="How long to watch, by MONITOR.")] = 30.0,
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Look at so many commands at most, or with --keyspace keys."
            " [default: 1000000; with --keyspace 10000]",
        ),
    ] = None,
    keyspace: Annotated[
        bool, typer.Option("--keyspace", help="Look at keys only; do not use MONITOR.")
    ] = False,
    json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the commands, one a line, as redis-cli reads."),
    ] = None,
) -> None:
    """Tell what would make a Redis or Valkey server hit more, or take less. Changes nothing."""
    if out is not None:
        writable_text(out)
    if not keyspace:
        notes.print(
            f"MONITOR slows the server while it runs: for {seconds:g} s at most.",
            style="yellow",
            highlight=False,
        )
    with progress("Looking") as tell:
        found = advise(
            redis,
            seconds=seconds,
            sample=sample,
            keyspace=keyspace,
            progress=lambda _what, share: tell(share),
        )
    if out is not None:
        out.write_text("".join(f"{each.command}\n" for each in found.suggestions))
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        report(found)
