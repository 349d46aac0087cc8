"""Responses of other requests, or from before a change, are not served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from starlette.responses import PlainTextResponse

import augury
from augury.integrations.starlette import ResponseCache, invalidate
from tests.unit.sites import Client, Site, plain, served


def test_a_change_that_comes_after_its_response() -> None:
    # As of FastAPI's dependencies with yield, which commit after the response was sent.
    value = "old"
    sent, seen = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal value
        if scope["method"] == "GET":
            await PlainTextResponse(value)(scope, receive, send)
            return
        await PlainTextResponse("changed")(scope, receive, send)
        sent.set()
        await seen.wait()
        value = "new"

    async def main() -> None:
        cached = ResponseCache(app, augury.Cache(100), ttl=60)
        async with served(cached) as client, served(cached) as other:
            assert (await client.get("/a")).text == "old"
            changing = asyncio.create_task(other.post("/a"))
            await sent.wait()
            assert (await client.get("/a")).text == "old"
            seen.set()
            await changing
            assert (await client.get("/a")).text == "new"

    asyncio.run(main())


def test_names_that_are_written_otherwise_keep_their_order() -> None:
    site = Site(lambda request, _: PlainTextResponse(",".join(request.query_params.getlist("a"))))
    for query, said in (("a=1&b=3&%61=2", "1,2"), ("%61=2&b=3&a=1", "2,1"), ("b=3&a=2&a=1", "2,1")):
        assert site.get(f"/p?{query}").text == said
    assert site.get("/p?b=4&a=1").text == site.get("/p?a=1&b=4").text == "1"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("/filme/gr%C3%B6%C3%9Fe", "http://site.example/filme/größe"),
        ("/a%20b", "http://site.example/a b"),
        ("/a%2Fb", "http://site.example/a%2Fb"),
        ("/a", "http://SITE.example/a"),
    ],
)
def test_an_address_is_forgotten_however_it_is_written(asked: str, told: str) -> None:
    site = Site(plain())
    assert site.get(asked).text == site.get(asked).text == "page 1"
    asyncio.run(invalidate(site.cache, told))
    assert site.get(asked).text == "page 2"


def test_the_case_of_a_host_is_of_no_matter() -> None:
    site = Site(plain())
    site.get("/a", host="site.example")
    assert site.get("/a", host="SITE.Example").text == "page 1"


def test_what_has_ended_early_is_not_kept() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"short"})

    cache = augury.Cache[Any, Any](100)
    client = Client(ResponseCache(app, cache, ttl=60))
    for _ in range(2):
        assert "hit" not in client.get("/a").headers["cache-status"]
