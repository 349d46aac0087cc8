"""The command `augury`: one file a subcommand, found by discovery.

A subcommand is a module in this package with a function `command`, whose parameters are read by
typer, or with a typer application `group` of several; its name on the command line is the module's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for a user's mistake, 130 if interrupted.

    Parameters
    ----------
    arguments
        Without the command itself; `sys.argv[1:]` by default.
    """
    try:
        from augury.cli.run import run

        return run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:  # while importing
        print("augury: interrupted", file=sys.stderr)
        return 130
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("augury"):
            raise
        from augury.errors import MissingExtraError

        package = missing.name.partition(".")[0]
        print(f"augury: {MissingExtraError(package, 'cli')}", file=sys.stderr)
        return 2
