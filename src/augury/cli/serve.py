"""`augury serve`: caches over HTTP."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

import typer


def command(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Configuration in TOML.", exists=True, dir_okay=False),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print where it listens, and logs, as JSON.")
    ] = False,
) -> None:
    """Serve caches, answers and models over HTTP until SIGINT or SIGTERM.

    Then requests under way finish, and what waits to be written is written.
    """
    from augury.config import build, load_settings
    from augury.service import Service, serve
    from augury.service.logs import log_to_stderr

    log_to_stderr(as_json=json)
    settings = load_settings(config)
    given = {"host": host, "port": port}
    address = {name: value for name, value in given.items() if value is not None}
    service = settings.service.model_copy(update=address)
    settings = settings.model_copy(update={"service": service})

    def announce(url: str) -> None:
        print(dumps({"url": url}) if json else f"augury: listening on {url}", flush=True)

    serve(Service(build(settings)), announce)
