"""The HTTP service in a thread of the test, so that the test chooses what is observed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from augury.service import Service, application
from tests.servers.process import free_port, wait_until


@contextmanager
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
