"""A web service as a source, against a real server in a thread."""

import asyncio
import builtins
import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.errors import (
    AuguryError,
    ConfigurationError,
    MissingExtraError,
    SourceError,
    StatusError,
)
from augury.sources import HTTP, Coalesced, Resilient, may_pass

LONG = 60.0


class Service(ThreadingHTTPServer):
    """Keeps the paths it was asked for; says what `answers` has, and otherwise echoes the key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.hanging = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        key = unquote(self.path.removeprefix("/items/").partition("?")[0])
        if key == "hang":
            self.server.hanging.wait()
        scripted = self.server.answers.get(key)
        if scripted:
            self._answer(*(scripted.pop(0) if len(scripted) > 1 else scripted[0]))
        elif key.startswith("absent"):
            self._answer(404, {}, b"no such thing")
        else:
            self._answer(200, {}, json.dumps({"key": key}).encode())

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = [{"id": key, "square": key * key} for key in asked if key % 3]
        self._answer(200 if self.path == "/many" else 404, {}, json.dumps(found).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.hanging.set()
        server.shutdown()
        thread.join()


Ask = Callable[[Any, list[Any]], dict[Any, Any]]


@pytest.fixture(params=["threads", "coroutines"])
def ask(request: pytest.FixtureRequest) -> Ask:
    async def aload(source: Any, keys: list[Any]) -> dict[Any, Any]:
        async with source:
            found: dict[Any, Any] = await source.aload_many(keys)
            return found

    def load(source: Any, keys: list[Any]) -> dict[Any, Any]:
        with source:
            found: dict[Any, Any] = source.load_many(keys)
            return found

    if request.param == "threads":
        return load
    return lambda source, keys: asyncio.run(aload(source, keys))


def items(service: Service, **options: Any) -> HTTP[Any, Any]:
    return HTTP(service.url + "/items/{key}", **options)


def test_each_key_is_a_request_and_404_is_absence(service: Service, ask: Ask) -> None:
    keys = ["a", 7, UUID(int=5), "absent", "b", "a"]
    assert ask(items(service), keys) == {key: {"key": str(key)} for key in keys if key != "absent"}
    assert len(service.asked) == 5
    assert ask(items(service), []) == {}


def test_connections_are_kept(service: Service) -> None:
    async def twice(source: HTTP[str, Any]) -> None:
        await source.aload_many(["a"])
        client = source._aconnected()
        await source.aload_many(["b"])
        assert source._aconnected() is client
        await source.aclose()
        assert client.is_closed

    with items(service) as source:
        source.load_many(["a"])
        client = source._connected()
        source.load_many(["b"])
        assert source._connected() is client
        asyncio.run(twice(source))
        asyncio.run(twice(source))  # another event loop


HARD = [
    "a/b",
    "a?b=c",
    "a#b",
    "%2F",
    "ä€😀",
    " ",
    "a b",
    "a\nb",
    "\0",
    "../x",
    "...",
    "\\",
    "@:;&=+",
]


@pytest.mark.parametrize("key", HARD)
def test_a_key_stays_where_it_belongs(service: Service, ask: Ask, key: str) -> None:
    assert ask(items(service), [key]) == {key: {"key": key}}
    assert ask(HTTP(service.url + "/items/find?q={key}&secret=no"), [key])
    path, _, query = service.asked[-1].partition("?")
    assert path == "/items/find"
    assert unquote(query.split("&")[0]) == f"q={key}"
    assert query.split("&")[1:] == ["secret=no"]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_stays_where_it_belongs(key: str) -> None:
    if key in {".", ".."}:
        return
    source: HTTP[str, Any] = HTTP("http://host:1/a/{key}/b")
    url = source._request(key).url
    assert url.raw_path.count(b"/") == 3
    assert b"?" not in url.raw_path
    assert (url.host, url.port) == ("host", 1)
    assert unquote(url.raw_path.decode().split("/")[2]) == key


@pytest.mark.parametrize("key", ["", ".", "..", "\ud800"])
def test_what_is_no_key_is_refused(service: Service, ask: Ask, key: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a key in a URL"):
        ask(items(service), [key])


@pytest.mark.parametrize("key", [None, True, 1.5, b"a", ("a",)])
def test_other_types_are_no_keys(service: Service, key: object) -> None:
    with (
        items(service) as source,
        pytest.raises(ConfigurationError, match="a key in a URL must be"),
    ):
        source.load_many([key])


def test_many_keys_in_a_request(service: Service, ask: Ask) -> None:
    def batch(keys: Any) -> httpx.Request:
        return httpx.Request("POST", f"{service.url}/many", json=keys)

    def read(body: bytes) -> dict[int, int]:
        return {row["id"]: row["square"] for row in json.loads(body)}

    source: HTTP[int, int] = HTTP(batch=batch, read=read, most=4)
    assert ask(source, [*range(10), 3]) == {n: n * n for n in range(10) if n % 3}
    assert service.asked == ["/many"] * 3


def test_a_batch_that_is_not_there_is_an_error(service: Service, ask: Ask) -> None:
    def batch(keys: Any) -> httpx.Request:
        return httpx.Request("POST", f"{service.url}/elsewhere", json=keys)

    with pytest.raises(StatusError, match="answered with status 404"):
        ask(HTTP(batch=batch, read=json.loads), [1])


@pytest.mark.parametrize("status", [204 + 96, 400, 403, 410, 500, 503])
def test_other_statuses_are_errors(service: Service, ask: Ask, status: int) -> None:
    service.answers["a"] = [(status, {}, b"{}")]
    with pytest.raises(StatusError, match=f"/items/{{key}}'\\) answered with status {status}") as e:
        ask(items(service), ["a"])
    assert e.value.status == status
    assert may_pass(e.value) == (status == 503)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), (None, None)],
)
def test_retry_after_is_read(
    service: Service, ask: Ask, retry_after: str | None, seconds: float | None
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    service.answers["a"] = [(429, headers, b"")]
    with pytest.raises(StatusError) as caught:
        ask(items(service), ["a"])
    assert caught.value.retry_after == seconds


def test_what_may_pass_is_tried_again(service: Service, ask: Ask) -> None:
    service.answers["a"] = [(503, {}, b""), (429, {"Retry-After": "0"}, b""), (200, {}, b"1")]
    assert ask(Resilient(items(service), timeout=LONG), ["a"]) == {"a": 1}


def test_a_service_that_hangs_costs_no_more_than_the_budget(service: Service, ask: Ask) -> None:
    with pytest.raises(SourceError, match=r"did not answer within 0.05 s"):
        ask(Resilient(items(service), timeout=0.05), ["hang"])


def test_a_wait_for_a_response_is_limited(service: Service, ask: Ask) -> None:
    with pytest.raises(httpx.ReadTimeout) as caught:
        ask(items(service, timeout=0.05), ["hang"])
    assert may_pass(caught.value)


def test_a_service_that_is_down(ask: Ask) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        ask(HTTP("http://127.0.0.1:1/{key}"), ["a"])
    assert may_pass(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_response_has_a_limit(service: Service, ask: Ask, packed: bool) -> None:
    body = json.dumps("x" * 99_998).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    service.answers["a"] = [(200, headers, gzip.compress(body) if packed else body)]
    assert ask(items(service, limit=100_000), ["a"]) == {"a": "x" * 99_998}
    with pytest.raises(SourceError, match="answered with more than 99999 bytes"):
        ask(items(service, limit=99_999), ["a"])


def test_redirects_stay_on_the_host(service: Service, ask: Ask) -> None:
    service.answers["old"] = [(301, {"Location": "/items/new"}, b"")]
    service.answers["loop"] = [(302, {"Location": "/items/loop"}, b"")]
    service.answers["away"] = [
        (302, {"Location": f"http://localhost:{service.server_port}/x"}, b"")
    ]
    service.answers["port"] = [(302, {"Location": "http://127.0.0.1:1/x"}, b"")]
    service.answers["file"] = [(302, {"Location": "file:///etc/passwd"}, b"")]
    assert ask(items(service), ["old"]) == {"old": {"key": "new"}}
    with pytest.raises(SourceError, match="redirects more than 5 times"):
        ask(items(service), ["loop"])
    with pytest.raises(SourceError, match="redirects to another host, 'localhost'"):
        ask(items(service), ["away"])
    with pytest.raises(SourceError, match=r"redirects to another host, '127.0.0.1'"):
        ask(items(service), ["port"])
    with pytest.raises((SourceError, httpx.TransportError)):
        ask(items(service), ["file"])


def test_redirects_may_be_allowed_elsewhere(service: Service, ask: Ask) -> None:
    service.answers["a"] = [
        (302, {"Location": f"http://localhost:{service.server_port}/items/b"}, b"")
    ]
    assert ask(items(service, hosts=["localhost"]), ["a"]) == {"a": {"key": "b"}}


def test_other_responses_than_json(service: Service, ask: Ask) -> None:
    service.answers["a"] = [(200, {}, b"plain")]
    with pytest.raises(SourceError, match="answered with what is no JSON"):
        ask(items(service), ["a"])
    assert ask(items(service, read=bytes.upper), ["a"]) == {"a": b"PLAIN"}


def test_a_key_error_while_reading_is_no_absence(service: Service, ask: Ask) -> None:
    with pytest.raises(KeyError, match="missing"):
        ask(items(service, read=lambda body: json.loads(body)["missing"]), ["a"])


def test_headers_are_sent_and_secrets_not_shown(service: Service) -> None:
    source = HTTP[str, Any]("http://me:secret@host/a/{key}?token=secret", headers={"X-Key": "1"})
    assert source._request("k").headers["x-key"] == "1"
    assert repr(source) == "HTTP('http://host/a/{key}')"


def test_look_ups_are_coalesced(service: Service) -> None:
    def batch(keys: Any) -> httpx.Request:
        return httpx.Request("POST", f"{service.url}/many", json=keys)

    async def use() -> list[dict[int, int]]:
        inner: HTTP[int, int] = HTTP(
            batch=batch, read=lambda body: {row["id"]: row["square"] for row in json.loads(body)}
        )
        async with Coalesced(inner, wait=None) as source:
            return await asyncio.gather(*(source.aload_many([n]) for n in range(101)))

    assert asyncio.run(use()) == [{n: n * n} if n % 3 else {} for n in range(101)]
    assert len(service.asked) == 2


def test_a_forked_child_has_connections_of_its_own(service: Service) -> None:
    with items(service) as source:
        source.load_many(["a"])
        pid = os.fork()
        if pid == 0:
            ok = False
            try:
                ok = source._client is None and source.load_many(["b"]) == {"b": {"key": "b"}}
            finally:
                os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert source.load_many(["c"]) == {"c": {"key": "c"}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either a URL or batch"),
        ({"url": "http://h/{key}", "batch": print}, "give either a URL or batch"),
        ({"batch": print}, "batch needs read"),
        ({"url": "http://h/items"}, "url must have {key} once, after the host"),
        ({"url": "http://{key}/items"}, "url must have {key} once, after the host"),
        ({"url": "http://h/{key}/{key}"}, "url must have {key} once, after the host"),
        ({"url": "http://h/#{key}"}, "url must have {key} once, after the host"),
        ({"url": "ftp://h/{key}"}, "url must be like"),
        ({"url": "h/{key}"}, "url must be like"),
        ({"url": 5}, "url must be like"),
        ({"url": "http://h/{key}", "limit": 0}, "limit must be a positive integer"),
        ({"url": "http://h/{key}", "concurrency": 0}, "concurrency must be a positive integer"),
        ({"url": "http://h/{key}", "timeout": 0}, "timeout must be seconds, more than zero"),
        ({"url": "http://h/{key}", "hosts": "h"}, "hosts must be a list of names"),
    ],
)
def test_mistakes_are_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AuguryError, match=message.replace("{", r"\{")):
        HTTP[str, Any](**arguments)


def test_mistakes_of_functions_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"batch must return an httpx.Request, not None"):
        HTTP[str, Any](batch=lambda keys: None, read=bytes).load_many(["a"])  # type: ignore[arg-type,return-value]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "httpx":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"httpx is not installed.*augury\[http\]"):
        HTTP[str, Any]("http://h/{key}")
