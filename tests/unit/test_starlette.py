"""Responses of Starlette and FastAPI are kept as RFC 9111 allows, and never somebody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

import httpx
from fastapi import Depends, FastAPI, Header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import augury
from augury.errors import ConfigurationError
from augury.integrations.starlette import ResponseCache, cache_for, invalidate
from augury.tiers import Memory, Redis, Tiers
from tests.servers import valkey
from tests.unit.sites import Client, Site, plain, served


def test_the_second_answer_is_the_first_one() -> None:
    site = Site(plain(X_Own="kept"))
    first, second = site.get(), site.get()
    assert (first.text, second.text, site.asked) == ("page 1", "page 1", 1)
    assert first.headers["Cache-Status"] == "Augury; fwd=uri-miss; stored"
    assert second.headers["Cache-Status"].startswith("Augury; hit; ttl=")
    assert second.headers["Age"] == "0"
    assert "Age" not in first.headers
    assert first.headers["ETag"] == second.headers["ETag"]
    assert second.headers["X-Own"] == "kept"
    assert second.headers["Content-Length"] == "6"


def test_what_a_response_is_kept_by() -> None:
    site = Site(plain(), by=["Accept-Language"])
    asked = ["/a", "/b", "/a?x=1", "/a?x=2", "/a?x=1&y=2", "/A", "/a/"]
    assert [site.get(path).text for path in asked] == [f"page {n}" for n in range(1, 8)]
    assert site.get("/a?y=2&x=1").text == "page 5"
    assert site.get(Accept_Language="de").text == "page 8"
    assert site.get(Host="other.example").text == "page 9"
    assert site.get(X_Odd="1").text == "page 1"
    assert site.get("/a?x=2&x=1").text == "page 10"
    assert site.get("/a?x=1&x=2").text == "page 11"


def test_vary_is_honoured() -> None:
    def answer(request: Request, number: int) -> Response:
        language = request.headers.get("accept-language", "none")
        vary = "Accept-Language" if language != "fr" else "Accept-Language, X-Size"
        return PlainTextResponse(f"{language} {number}", headers={"Vary": vary})

    site = Site(answer)
    assert [site.get(Accept_Language=each).text for each in ("de", "en", "de", "en")] == [
        "de 1", "en 2", "de 1", "en 2",
    ]  # fmt: skip
    assert site.get().text == "none 3"
    assert site.get(Accept_Language="fr", X_Size="1").text == "fr 4"
    assert site.get(Accept_Language="fr", X_Size="2").text == "fr 5"
    assert site.get(Accept_Language="fr", X_Size="1").text == "fr 4"


@pytest.mark.parametrize(
    "headers",
    [
        {"Set-Cookie": "session=1"},
        {"Cache-Control": "private"},
        {"Cache-Control": "no-store"},
        {"Cache-Control": "no-cache"},
        {"Cache-Control": 'private="x", max-age=60'},
        {"Cache-Control": "max-age=0"},
        {"Cache-Control": "max-age=60, s-maxage=0"},
        {"Cache-Control": "max-age=soon"},
        {"Cache-Control": "max-age=60", "Age": "61"},
        {"Expires": "0"},
        {"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"Vary": "*"},
        {"Vary": "Accept, *"},
    ],
)
def test_what_must_not_be_kept_is_not(headers: dict[str, str]) -> None:
    site = Site(lambda request, number: PlainTextResponse(str(number), headers=headers))
    assert [site.get().text for _ in range(3)] == ["1", "2", "3"]
    assert "stored" not in site.get().headers["Cache-Status"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"Cookie": "session=1"},
        {"Range": "bytes=0-1"},
        {"Cache-Control": "no-store"},
        {"Content-Length": "1"},
    ],
)
def test_requests_that_pass_by(headers: dict[str, str]) -> None:
    site = Site(plain())
    assert site.get().text == "page 1"
    content = b"x" if "Content-Length" in headers else None
    response = site.client.request("GET", "/a", headers=headers, content=content)
    assert (response.text, response.headers["Cache-Status"]) == ("page 2", "Augury; fwd=bypass")
    assert site.get().text == "page 1"


def test_who_is_told_of_keeps_what_is_his() -> None:
    site = Site(plain(), by=["authorization"], ignore=["cookie"])
    assert site.get(Authorization="a").text == "page 1"
    assert site.get(Authorization="b").text == "page 2"
    assert site.get(Authorization="a", Cookie="x=1").text == "page 1"
    assert site.get().text == "page 3"


def test_how_long_a_response_is_kept() -> None:
    site = Site(plain(Cache_Control="max-age=60, s-maxage=2", Age="1"), ttl=None)
    site.get()
    second = site.get()
    assert second.headers["Cache-Status"] in ("Augury; hit; ttl=0", "Augury; hit; ttl=1")
    assert second.headers["Age"] in ("1", "2")
    assert [Site(plain(), ttl=None).get().headers["Cache-Status"]] == ["Augury; fwd=uri-miss"]
    assert site.asked == 1


def test_statuses_that_are_kept() -> None:
    for status, headers, kept in [
        (404, {}, False),
        (404, {"Cache-Control": "max-age=60"}, True),
        (500, {"Cache-Control": "max-age=60"}, False),
        (206, {"Cache-Control": "max-age=60"}, False),
        (301, {"Location": "/b"}, True),
        (302, {"Location": "/b"}, False),
    ]:
        site = Site(lambda request, number, s=status, h=headers: Response("x", s, h))  # type: ignore[misc]
        for _ in range(2):
            response = site.client.get("/a", follow_redirects=False)
            assert response.status_code == status
        assert (site.asked == 1) == kept, status


def test_what_a_request_says_of_age() -> None:
    site = Site(plain())
    site.get()
    assert site.get(Cache_Control="max-age=60").text == "page 1"
    assert site.get(Cache_Control="no-cache").text == "page 2"
    assert site.get().text == "page 2"
    assert site.get("/b", Cache_Control="only-if-cached").status_code == 504
    assert site.get("/a", Cache_Control="only-if-cached").text == "page 2"


def test_a_client_that_has_it_is_told_so() -> None:
    site = Site(plain(Last_Modified="Mon, 05 Jan 2026 10:00:00 GMT", Vary="X-A"))
    tag = site.get().headers["ETag"]
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"x", W/{tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"},
    ):
        response = site.client.get("/a", headers=headers)
        assert (response.status_code, response.content) == (304, b"")
        assert (response.headers["ETag"], response.headers["Vary"]) == (tag, "X-A")
    for headers in (
        {"If-None-Match": '"x"', "If-Modified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"},
        {"If-Modified-Since": "Mon, 05 Jan 2026 09:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
    ):
        assert site.client.get("/a", headers=headers).status_code == 200
    assert site.asked == 1


def test_the_first_request_may_be_conditional() -> None:
    def answer(request: Request, number: int) -> Response:
        assert "if-none-match" not in request.headers
        return PlainTextResponse("x", headers={"ETag": '"1"'})

    site = Site(answer)
    assert site.get(If_None_Match='"1"').status_code == 304
    assert site.get().text == "x"


def test_head_is_answered_by_what_get_has_brought() -> None:
    site = Site(plain())
    site.client.request("HEAD", "/a")
    assert site.get().text == "page 2"
    response = site.client.request("HEAD", "/a")
    assert (response.headers["Content-Length"], response.text, site.asked) == ("6", "", 2)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_makes_it_forget_the_address(method: str) -> None:
    site = Site(plain())
    site.get("/a?page=1")
    site.get("/b")
    site.client.request(method, "/a")
    assert site.get("/a?page=1").text == "page 4"
    assert site.get("/b").text == "page 2"


def test_an_address_is_forgotten_by_hand() -> None:
    site = Site(plain())
    site.get("/a?x=1")
    asyncio.run(invalidate(site.cache, "http://site.example/a"))
    assert site.get("/a?x=1").text == "page 2"
    with pytest.raises(ConfigurationError, match="whole address"):
        asyncio.run(invalidate(site.cache, "/a"))


def test_streams_pass_through_and_long_ones_are_not_kept() -> None:
    def answer(request: Request, number: int) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(int(request.query_params["parts"])):
                yield b"x" * 100

        return StreamingResponse(parts())

    site = Site(answer, max_body=1000)
    for parts, asked in ((5, 1), (10, 2), (11, 4)):
        for _ in range(2):
            assert len(site.get(f"/a?parts={parts}").content) == parts * 100
        assert site.asked == asked
    assert "ETag" not in Site(answer).get("/a?parts=2").headers


def test_an_error_of_the_application_is_its_own() -> None:
    def answer(request: Request, number: int) -> Response:
        if number == 1:
            raise RuntimeError("once")
        return PlainTextResponse("fine")

    site = Site(answer)
    with pytest.raises(RuntimeError, match="once"):
        site.get()
    assert site.get().text == "fine"


def crowd(app: Any, paths: list[str]) -> list[httpx.Response]:
    async def main() -> list[httpx.Response]:
        async with served(app) as client:
            return await asyncio.gather(*(client.get(path) for path in paths))

    return asyncio.run(main())


def slow(answer: Callable[[int], Response], cache: Any) -> tuple[Any, list[int]]:
    asked = [0]

    async def page(request: Request) -> Response:
        asked[0] += 1
        number = asked[0]
        await asyncio.sleep(0.05)
        return answer(number)

    app = Starlette(routes=[Route("/{path:path}", page)])
    app.add_middleware(ResponseCache, cache=cache, ttl=60)
    return app, asked


def test_requests_at_the_same_time_are_one() -> None:
    app, asked = slow(lambda number: PlainTextResponse(str(number)), augury.Cache(100))
    responses = crowd(app, ["/a"] * 50 + ["/b"] * 50)
    assert asked == [2]
    assert {each.text for each in responses} == {"1", "2"}
    told = [each.headers["Cache-Status"] for each in responses]
    assert told.count("Augury; fwd=uri-miss; stored") == 2
    assert told.count("Augury; fwd=uri-miss; collapsed") == 98


def test_nobody_gets_what_was_not_kept_for_another() -> None:
    app, asked = slow(
        lambda number: PlainTextResponse(str(number), headers={"Set-Cookie": f"id={number}"}),
        augury.Cache(100),
    )
    assert len({each.text for each in crowd(app, ["/a"] * 20)}) == 20
    assert asked == [20]


def test_one_that_is_cancelled_leaves_nobody_waiting() -> None:
    app, _ = slow(lambda number: PlainTextResponse(str(number)), augury.Cache(100))

    async def main() -> None:
        async with served(app) as client:
            first = asyncio.create_task(client.get("/a"))
            await asyncio.sleep(0.01)
            second = asyncio.create_task(client.get("/a"))
            await asyncio.sleep(0.01)
            first.cancel()
            assert (await asyncio.wait_for(second, 10)).text == "2"

    asyncio.run(main())


def test_what_was_asked_before_a_change_is_not_kept_after_it() -> None:
    value, entered, go = ["old"], asyncio.Event(), asyncio.Event()

    async def page(request: Request) -> Response:
        if request.method == "POST":
            value[0] = "new"
            return PlainTextResponse("changed")
        read = value[0]
        entered.set()
        await go.wait()
        return PlainTextResponse(read)

    app = Starlette(routes=[Route("/a", page, methods=["GET", "POST"])])
    app.add_middleware(ResponseCache, cache=augury.Cache(100), ttl=60)

    async def main() -> None:
        async with served(app) as client:
            first = asyncio.create_task(client.get("/a"))
            await entered.wait()
            await client.post("/a")
            go.set()
            assert (await first).text == "old"
            assert (await client.get("/a")).text == "new"
            assert (await client.get("/a")).text == "new"

    asyncio.run(main())


def test_threads_with_loops_of_their_own() -> None:
    app, asked = slow(lambda number: PlainTextResponse("x"), augury.Cache(100))
    threads = [threading.Thread(target=crowd, args=(app, ["/a"] * 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= asked[0] <= 4


def test_processes_share_responses_in_tiers() -> None:
    url = f"redis://127.0.0.1:{valkey.shared().port}"

    async def main() -> None:
        sites = []
        for _ in range(2):
            tiers: Tiers[Any, Any] = Tiers(
                [Memory(100), Redis(url, namespace="responses")], consistency="validated"
            )
            sites.append((tiers, *slow(lambda n: PlainTextResponse("page"), tiers)))
        texts = []
        for _, app, _ in sites:
            async with served(app) as client:
                texts.append((await client.get("/shared?x=1")).headers["Cache-Status"])
        assert texts[0].endswith("stored")
        assert "hit" in texts[1]
        await invalidate(sites[0][0], "http://site.example/shared")
        async with served(sites[1][1]) as client:
            assert "stored" in (await client.get("/shared?x=1")).headers["Cache-Status"]
        for tiers, *_ in sites:
            await tiers.aclose()

    asyncio.run(main())


def test_tiers_that_are_down_are_done_without() -> None:
    async def main() -> None:
        tiers: Tiers[Any, Any] = Tiers([Redis("redis://127.0.0.1:1")], ttl=60)
        app, _ = slow(lambda number: PlainTextResponse(str(number)), tiers)
        async with served(app) as client:
            assert [(await client.get("/a")).text for _ in range(2)] == ["1", "2"]
        await tiers.aclose()

    asyncio.run(main())


def test_a_route_of_fastapi_says_how_long_it_is_kept() -> None:
    app = FastAPI()
    app.add_middleware(ResponseCache, cache=augury.Cache(100))
    asked = {"films": 0, "now": 0, "own": 0}

    @app.get("/films", dependencies=[Depends(cache_for(60))])
    async def films(language: Annotated[str, Header()] = "en") -> dict[str, Any]:
        asked["films"] += 1
        return {"language": language, "number": asked["films"]}

    @app.get("/now", dependencies=[Depends(cache_for(0))])
    def now() -> int:
        asked["now"] += 1
        return asked["now"]

    @app.get("/own", dependencies=[Depends(cache_for(60))])
    def own(response: Response) -> int:
        response.headers["Cache-Control"] = "no-store"
        asked["own"] += 1
        return asked["own"]

    client = Client(app)
    for _ in range(2):
        assert client.get("/films").json() == {"language": "en", "number": 1}
    assert [client.get("/now").json() for _ in range(2)] == [1, 2]
    assert [client.get("/own").json() for _ in range(2)] == [1, 2]


def test_a_route_that_is_kept_needs_the_middleware() -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(cache_for(60))])
    def page() -> None: ...

    with pytest.raises(ConfigurationError, match="add_middleware"):
        Client(app).get("/")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cache": {}}, "cache must be"),
        ({"ttl": -1}, "ttl"),
        ({"by": "accept"}, "lists"),
        ({"ignore": ["accept"]}, "authorization and cookie"),
        ({"max_body": 0}, "max_body"),
        ({"name": "a; hit"}, "name"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], told: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    given = {"cache": augury.Cache(10)} | options
    with pytest.raises(ConfigurationError, match=told):
        ResponseCache(app, **given)
    with pytest.raises(ConfigurationError):
        cache_for(-1)


def test_what_is_no_http_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    middleware: Callable[..., Awaitable[None]] = ResponseCache(app, augury.Cache(10))
    asyncio.run(middleware({"type": "websocket"}, None, None))  # type: ignore[arg-type]
    assert seen == ["websocket"]
