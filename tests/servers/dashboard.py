"""The HTTP service: as a process of its own, or in a thread of the test."""

from __future__ import annotations

import contextlib
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from augury.service import Service, application
from tests.servers.process import ServerProcess, free_port, wait_until


class ServiceProcess(ServerProcess):
    """`augury serve` on a free port, with a configuration; `service_process` makes one."""

    def __init__(self, config: Path) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        code = "from augury.cli import main; main()"
        options = ["serve", "--config", str(config), "--port", str(self.port)]
        self._command = [sys.executable, "-c", code, *options]

    def start(self) -> None:
        """Start it, and return when it answers."""
        self.launch(self._command)
        wait_until(self._answers, "the service does not start")

    def _answers(self) -> bool:
        self.check(" ".join(self._command))
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer,
        ):
            return bool(answer.status == 200)
        return False


@contextlib.contextmanager
def service_process(config: Path) -> Iterator[ServiceProcess]:
    """Start a service, and stop it in the end."""
    process = ServiceProcess(config)
    process.start()
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def serving(service: Service) -> Iterator[str]:
    """Serve in a thread, and return the URL."""
    port = free_port()
    config = uvicorn.Config(
        application(service), port=port, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the service does not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
