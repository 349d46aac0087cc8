"""Applications behind a cache of their responses, and clients of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import augury
from augury.integrations.starlette import ResponseCache

Answer = Callable[[Request, int], Response]


class Client:
    """Asks an application."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def main() -> httpx.Response:
            async with served(self._app) as client:
                return await client.request(method, path, **more)

        return asyncio.run(main())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)


class Site:
    """An application that counts how often it is asked, behind a cache."""

    def __init__(self, answer: Answer, cache: Any = None, **options: Any) -> None:
        self.asked = 0
        self.cache = augury.Cache(1000) if cache is None else cache
        options = {"ttl": 60} | options

        async def page(request: Request) -> Response:
            self.asked += 1
            return answer(request, self.asked)

        methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        app = Starlette(routes=[Route("/{path:path}", page, methods=methods)])
        app.add_middleware(ResponseCache, cache=self.cache, **options)
        self.app = app
        self.client = Client(app)

    def get(self, path: str = "/a", **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers=sent)


def plain(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, number: PlainTextResponse(f"page {number}", headers=named)


def served(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site.example")
