"""A service without a server: requests go straight into the application."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from augury.config import Settings, build
from augury.service import Service, application

HOST = "http://127.0.0.1"
CACHES = {"pages": {"capacity": 100, "policy": "lru"}, "users": {"capacity": 100, "policy": "lru"}}


class Client:
    """Sends requests one after the other."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(application(service), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=HOST)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **options))

    def run(self, awaited: Any) -> Any:
        return self._runner.run(awaited)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.run(self.service.close())
        self._runner.close()


@contextmanager
def served(caches: dict[str, Any] | None = None, **section: Any) -> Iterator[Client]:
    """Serve caches with these settings of ``[service]``."""
    settings = Settings.model_validate({"caches": caches or CACHES, "service": section})
    client = Client(Service(build(settings)))
    try:
        yield client
    finally:
        client.close()


def token(secret: str, *scopes: str, caches: tuple[str, ...] = ("*",)) -> dict[str, Any]:
    """Return a token as the configuration has it."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return {"sha256": digest, "scopes": scopes, "caches": caches}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def is_problem(response: httpx.Response, status: int, about: str = "") -> bool:
    """Return whether it is a problem of this status, whose detail is a line that has this text."""
    body = response.json()
    return (
        response.status_code == body["status"] == status
        and response.headers["content-type"] == "application/problem+json"
        and body.keys() == {"type", "title", "status", "detail"}
        and "\n" not in body["detail"]
        and about in body["detail"]
    )
