"""`augury top`: what a running service does, at a glance."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.live import Live

from augury.cli.snapshot_client import SnapshotClient
from augury.cli.terminal import console, print_json
from augury.cli.top_screen import screen
from augury.errors import ServiceError
from augury.observe import Snapshot


def command(
    url: Annotated[
        str, typer.Argument(help="Where the service listens.", show_default=True)
    ] = "http://127.0.0.1:8520",
    token: Annotated[
        str | None,
        typer.Option(envvar="AUGURY_TOKEN", help="Token that may read.", show_envvar=True),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Certificates to trust (PEM).", exists=True, dir_okay=False
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600.0, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one snapshot as JSON, and end.")
    ] = False,
) -> None:
    """Show what a running service does: caches, tiers, prefetching, answers and models.

    Where the output is no terminal it is shown once. End it with Ctrl-C.
    """
    client = SnapshotClient(url, token, ca)
    snapshot = client.read()
    if json:
        print_json(msgspec.to_builtins(snapshot))
    elif once or not console.is_terminal:
        console.print(screen(snapshot, client.url))
    else:
        _follow(client, snapshot, interval)


def _follow(client: SnapshotClient, snapshot: Snapshot, interval: float) -> None:
    trouble = ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(snapshot, client.url, trouble), refresh=True)
            time.sleep(interval)
            try:
                snapshot, trouble = client.read(), ""
            except ServiceError as error:  # it may be back soon
                trouble = str(error)
