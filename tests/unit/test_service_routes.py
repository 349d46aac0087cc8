"""Caches as a whole, many entries at once, probes, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from augury.config import Settings, build
from augury.errors import TierError
from augury.service import Service, application
from tests.unit.served import HOST, Client, is_problem, served

PAGES = "/v1/caches/pages"


@pytest.fixture
def client() -> Iterator[Client]:
    with served(read_seconds="50ms") as client:
        yield client


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def test_many_entries_at_once(client: Client) -> None:
    entries = {
        "a": {"body": encoded(b"\x00\xff"), "media_type": "image/png"},
        "ä/b": {"body": encoded(b"")},
    }
    response = client("POST", f"{PAGES}/many-set", json={"entries": entries, "ttl": 60})
    assert (response.status_code, response.content) == (204, b"")
    assert client("GET", f"{PAGES}/entries/a").content == b"\x00\xff"
    found = client("POST", f"{PAGES}/many-get", json={"keys": ["a", "ä/b", "none"]}).json()
    entries["ä/b"]["media_type"] = "application/octet-stream"
    assert found == {"entries": entries}


@pytest.mark.parametrize(
    ("path", "body", "about"),
    [
        ("many-get", {"keys": ["k"] * 1001}, "1000"),
        ("many-get", {"keys": [""]}, "keys.0"),
        ("many-get", {"keys": ["ä" * 1025]}, "1024"),
        ("many-get", {"keys": [1]}, "keys.0"),
        ("many-get", {}, "keys"),
        ("many-get", [], "body"),
        ("many-get", {"keys": [], "more": 1}, "more"),
        ("many-set", {"entries": {"a": {"body": "*"}}}, "entries.a.body"),
        ("many-set", {"entries": {"a": {"body": "", "media_type": "a\nb"}}}, "media_type"),
        ("many-set", {"entries": {}, "ttl": 0}, "ttl"),
        ("many-set", {"entries": {}, "ttl": "x"}, "ttl"),
        ("invalidate", {"keys": "a"}, "keys"),
    ],
)
def test_bodies_that_cannot_be(client: Client, path: str, body: Any, about: str) -> None:
    assert is_problem(client("POST", f"{PAGES}/{path}", json=body), 422, about)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"keys": ["\\ud800"]}', b"[" * 100_000])
def test_bodies_that_are_no_json(client: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = client("POST", f"{PAGES}/many-get", content=body, headers=headers)
    assert is_problem(response, 422) or is_problem(response, 400)


def test_entries_are_dropped(client: Client) -> None:
    def keys() -> set[str]:
        response = client("POST", f"{PAGES}/many-get", json={"keys": list("abc")})
        return set(response.json()["entries"])

    for key in "abc":
        client("PUT", f"{PAGES}/entries/{key}", content=b"1")
    client("POST", f"{PAGES}/invalidate", json={"keys": ["a", "none"]})
    assert keys() == {"b", "c"}
    client("POST", f"{PAGES}/invalidate", json={"all": True})
    assert keys() == set()
    assert is_problem(client("POST", f"{PAGES}/invalidate", json={"tags": ["a"]}), 409, "tags")


def test_a_cache_tells_what_it_has_done(client: Client) -> None:
    client("PUT", f"{PAGES}/entries/a", content=b"1")
    client("GET", f"{PAGES}/entries/a")
    client("GET", f"{PAGES}/entries/b")
    told = client("GET", PAGES).json()
    assert (told["name"], told["kind"], told["policy"]) == ("pages", "memory", "lru")
    assert (told["capacity"], told["weight"], told["entries"]) == (100, 1, 1)
    assert (told["stats"]["hits"], told["stats"]["misses"]) == (1, 1)
    assert told["hit_ratio"] == 0.5
    snapshot = client("GET", "/v1/snapshot").json()
    assert snapshot["caches"][0]["hits"] == 1


def test_metrics_are_told(client: Client) -> None:
    client("GET", f"{PAGES}/entries/a")
    scraped = client("GET", "/metrics")
    assert scraped.headers["content-type"].startswith("text/plain")
    assert 'augury_cache_capacity{cache="pages"} 100.0' in scraped.text
    openly = client("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert openly.text.endswith("# EOF\n")


def test_a_key_is_explained(client: Client) -> None:
    client("PUT", f"{PAGES}/entries/a", content=b"1")
    told = client("GET", f"{PAGES}/explain", params={"key": "a"}).json()
    assert (told["key"], told["resident"], told["policy"]) == ("a", True, "lru")
    assert is_problem(client("GET", f"{PAGES}/explain"), 422, "key")
    assert client("GET", PAGES).json()["stats"]["misses"] == 0


def test_what_is_not_there(client: Client) -> None:
    assert is_problem(client("GET", "/v1/caches/none"), 404, "/v1/caches")
    assert is_problem(client("GET", "/v2"), 404, "/openapi.json")
    response = client("PATCH", "/healthz")
    assert is_problem(response, 405)
    assert response.headers["allow"] == "GET"


def test_the_document_has_all_routes_and_no_scripts(client: Client) -> None:
    document = client("GET", "/openapi.json").json()
    assert {"get", "head", "put", "delete"} < document["paths"][
        "/v1/caches/{cache}/entries/{key}"
    ].keys()
    assert "HTTPBearer" in document["components"]["securitySchemes"]
    assert "CacheView" in document["components"]["schemas"]
    assert client("GET", "/docs").status_code == 404


def test_a_service_that_stops_is_not_ready(client: Client) -> None:
    assert client("GET", "/readyz").json() == {"status": "ok"}
    client.service.stopping = True
    assert is_problem(client("GET", "/readyz"), 503)
    assert client("GET", "/healthz").status_code == 200


class Broken:
    """Stands for a cache."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def get(self, key: str) -> None:
        raise self._error

    def describe(self) -> None:
        raise self._error

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("path", ["/v1/caches/pages", "/v1/caches/pages/entries/a"])
def test_what_nobody_has_foreseen_is_logged_and_not_told(
    client: Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.service.stores["pages"] = Broken(ZeroDivisionError("a secret"))  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR, "augury.service"):
        response = client("GET", path)
    assert is_problem(response, 500)
    assert "secret" not in response.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("path", ["/v1/caches/pages", "/v1/caches/pages/entries/a"])
def test_a_tier_that_is_down_is_said(client: Client, path: str) -> None:
    client.service.stores["pages"] = Broken(TierError("redis is\ndown"))  # type: ignore[assignment]
    assert is_problem(client("GET", path), 503, "redis is down")


@pytest.mark.parametrize("path", [f"{PAGES}/entries/a", f"{PAGES}/many-set"])
def test_a_body_that_does_not_come(client: Client, path: str) -> None:
    async def body() -> Any:
        yield b"{"
        await asyncio.sleep(3600)

    method = "PUT" if "entries" in path else "POST"
    headers = {"Content-Type": "application/json"}
    response = client(method, path, content=body(), headers=headers)
    assert is_problem(response, 408)
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", [f"{PAGES}/entries/a", f"{PAGES}/many-set"])
def test_a_long_body_whose_length_is_not_said(path: str) -> None:
    sent = 0

    async def body() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 100
            yield b" " * 100

    method = "PUT" if "entries" in path else "POST"
    with served(body_limit=1000) as client:
        headers = {"Content-Type": "application/json"}
        response = client(method, path, content=body(), headers=headers)
    assert is_problem(response, 413)
    assert sent <= 1200


def test_two_applications_serve_the_same() -> None:
    async def both() -> list[int]:
        service = Service(build(Settings.model_validate({"caches": {"pages": {}}})))
        statuses = []
        for method in ("PUT", "GET"):
            transport = httpx.ASGITransport(application(service))
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                response = await client.request(method, f"{PAGES}/entries/a", content=b"1")
                statuses.append(response.status_code)
        await service.close()
        return statuses

    assert asyncio.run(both()) == [204, 200]


def test_the_history_of_one_cache(client: Client) -> None:
    client.service.observer.sample()
    for query, expected in (("", [1, 1]), ("?cache=users", [0, 1])):
        caches = client("GET", f"/v1/snapshot{query}").json()["caches"]
        assert [each["name"] for each in caches] == ["pages", "users"]
        assert [len(each["history"]) > 0 for each in caches] == [bool(one) for one in expected]
    assert is_problem(client("GET", "/v1/snapshot?cache=none"), 404, "no history")
    assert is_problem(client("GET", "/v1/snapshot?caches=users"), 422, "caches")


def test_one_that_cannot_be_closed_ends_no_other() -> None:
    ended: list[str] = []

    class Failing(Broken):
        async def close(self) -> None:
            raise self._error

    class Slow(Broken):
        async def close(self) -> None:
            await asyncio.sleep(0.2)
            ended.append("written")

    async def close() -> None:
        service = Service(build(Settings.model_validate({"caches": {"pages": {}}})))
        service._built._open.callback(ended.append, "closed")
        error = TierError("cannot write")
        service.stores |= {"a": Failing(error), "b": Slow(error)}  # type: ignore[dict-item]
        with pytest.raises(TierError, match="cannot write"):
            await service.close()

    asyncio.run(close())
    assert ended == ["written", "closed"]
