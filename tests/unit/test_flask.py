"""The extension for Flask: what is kept of views and functions, and what must not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask")
pytest.importorskip("redis")

from flask import Flask, Response, abort, make_response, redirect, request, session, url_for

from augury import Cache, Tiers
from augury.errors import CodecError, ConfigurationError, KeyEncodingError
from augury.integrations.flask import FlaskCache, _view_key
from augury.tiers import Memory, Redis
from tests.servers import valkey


@pytest.fixture(params=["memory", "tiers"])
def cache(request: Any, tmp_path: Path) -> Iterator[FlaskCache]:
    if request.param == "memory":
        yield FlaskCache()
        return
    last = Redis(valkey.shared().url, namespace=tmp_path.name)
    with Tiers[Any, Any]([Memory(100), last], consistency="tracked") as tiers:
        yield FlaskCache(cache=tiers)


@pytest.fixture
def app(cache: FlaskCache) -> Flask:
    made = Flask("tested")
    made.secret_key = "of-tests"
    cache.init_app(made)
    return made


def counting(app: Flask, cache: FlaskCache, answer: Any = None, **options: Any) -> list[str]:
    """Add a view of any path, and return the list of calls of it."""
    calls: list[str] = []

    def view(path: str) -> Any:
        calls.append(path)
        return f"{path} {len(calls)}" if answer is None else answer()

    decorated = cache.cached(**options)(view)
    app.add_url_rule("/<path>", view_func=decorated, methods=["GET", "POST"])
    return calls


def test_a_path_is_asked_once(app: Flask, cache: FlaskCache) -> None:
    calls = counting(app, cache)
    client = app.test_client()
    assert [client.get(path).text for path in ("/a", "/a", "/b", "/a?x=1")] == [
        "a 1",
        "a 1",
        "b 2",
        "a 1",
    ]
    assert calls == ["a", "b"]
    with app.app_context():
        cache.clear()
    assert client.get("/a").text == "a 3"


def test_the_query_counts_if_asked_for(app: Flask, cache: FlaskCache) -> None:
    calls = counting(app, cache, query_string=True)
    client = app.test_client()
    for query in ("x=1&y=2", "y=2&x=1", "x=1", "x=1&x=2", "x=2&x=1", ""):
        client.get(f"/a?{query}")
    assert len(calls) == 4


def test_responses_come_back_as_they_were(app: Flask, cache: FlaskCache) -> None:
    counting(app, cache, lambda: ({"a": [1]}, 203, {"X-Own": "é"}))
    client = app.test_client()
    first, second = client.get("/a"), client.get("/a")
    for each in (first, second):
        assert (each.status_code, each.json, each.headers["X-Own"]) == (203, {"a": [1]}, "é")
    assert first.headers == second.headers


def test_later_handlers_change_only_what_is_sent(app: Flask, cache: FlaskCache) -> None:
    counting(app, cache)

    def add(response: Response) -> Response:
        response.headers.add("X-Added", "1")
        response.set_data(response.get_data() + b"!")
        return response

    app.after_request(add)
    client = app.test_client()
    for _ in range(3):
        got = client.get("/a")
        assert (got.text, got.headers.getlist("X-Added")) == ("a 1!", ["1"])


def with_header(name: str, value: str) -> Any:
    response = make_response("x")
    response.headers[name] = value
    return response


def looks_at_session() -> str:
    return str(session.get("user"))


def looks_at_cookies() -> str:
    return str(request.cookies.get("theme"))


@pytest.mark.parametrize(
    "answer",
    [
        lambda: ("x", 500),
        lambda: ("x", 206),
        lambda: abort(404),
        lambda: redirect("/login"),
        lambda: with_header("Set-Cookie", "id=1"),
        lambda: with_header("Cache-Control", "private"),
        lambda: with_header("Cache-Control", "no-store"),
        lambda: with_header("Cache-Control", "no-cache"),
        lambda: with_header("Vary", "Cookie"),
        lambda: Response(iter(["x"])),
        looks_at_session,
        looks_at_cookies,
    ],
)
def test_what_is_not_for_everybody_is_not_kept(app: Flask, cache: FlaskCache, answer: Any) -> None:
    calls = counting(app, cache, answer)
    client = app.test_client()
    client.get("/a")
    client.get("/a")
    assert calls == ["a", "a"]


def test_requests_that_are_not_for_everybody_do_without(app: Flask, cache: FlaskCache) -> None:
    calls = counting(app, cache)
    client = app.test_client()
    client.get("/a")
    client.post("/a")
    client.get("/a", headers={"Authorization": "Bearer x"})
    client.get("/a")
    assert len(calls) == 3


def test_hosts_and_queries_are_apart(app: Flask, cache: FlaskCache) -> None:
    counting(app, cache, lambda: url_for("view", path="x", _external=True), query_string=True)
    client = app.test_client()
    for host in ("shop.example", "elsewhere.example", "shop.example"):
        assert client.get("/a", base_url=f"http://{host}").text == f"http://{host}/x"
        assert client.get("/a", base_url=f"https://{host}").text == f"https://{host}/x"
    with app.test_request_context("/a?x=1"):
        asked = _view_key("view/%s", query=True)
    with app.test_request_context(asked.partition("localhost")[2]):
        assert _view_key("view/%s", query=False) != asked


def test_a_function_tells_apart_what_varies(app: Flask, cache: FlaskCache) -> None:
    def language() -> str:
        return f"{request.path} {request.headers.get('Accept-Language')}"

    calls = counting(
        app, cache, lambda: with_header("Vary", "Accept-Language"), key_prefix=language
    )
    client = app.test_client()
    for spoken in ("de", "fr", "de"):
        client.get("/a", headers={"Accept-Language": spoken})
    assert len(calls) == 2


def test_does_without_when_told(app: Flask, cache: FlaskCache) -> None:
    off = [True]
    calls = counting(app, cache, unless=lambda: off[0])
    client = app.test_client()
    client.get("/a")
    off[0] = False
    client.get("/a")
    client.get("/a")
    assert len(calls) == 2


def test_entries_end(app: Flask, cache: FlaskCache) -> None:
    calls = counting(app, cache, timeout=0.1)
    client = app.test_client()
    client.get("/a")
    threading.Event().wait(0.2)
    client.get("/a")
    assert len(calls) == 2


def test_coroutines_are_views_too(app: Flask, cache: FlaskCache) -> None:
    pytest.importorskip("asgiref")
    calls = []

    async def view() -> str:
        calls.append(1)
        return "a"

    app.add_url_rule("/a", view_func=cache.cached()(view))
    client = app.test_client()
    assert client.get("/a").text == client.get("/a").text == "a"
    assert calls == [1]


@pytest.mark.parametrize("value", [None, 1, "x", b"x", [1], {"a": (1, 2)}])
def test_keeps_values(app: Flask, cache: FlaskCache, value: Any) -> None:
    with app.app_context():
        cache.set("key", value)
        assert cache.get("key") == value
        assert cache.delete("key") is True
        assert cache.delete("key") is False
        assert cache.get("key") is None


def test_functions_are_called_once_for_equal_arguments(app: Flask, cache: FlaskCache) -> None:
    calls: list[Any] = []
    found = _memoized(cache, calls)
    with app.app_context():
        assert found(1) == found(1, 2) == found(a=1, b=2) == [1, 2]
        found(1).append(3)
        assert found(1) == [1, 2]
        assert found(1.0) == [1.0, 2]
        assert len(calls) == 2
        cache.delete_memoized(found, 1)
        assert found(1.0) == [1.0, 2]
        assert len(calls) == 2
        found(1)
        assert len(calls) == 3
        cache.delete_memoized(found)
        found(1)
        found(1.0)
        assert len(calls) == 5


def _memoized(cache: FlaskCache, calls: list[Any]) -> Any:
    @cache.memoize(version="of tests")
    def found(a: float, b: int = 2) -> list[float]:
        calls.append((a, b))
        return [a, b]

    return found


def test_many_who_ask_at_once_wait_for_one_call(app: Flask, cache: FlaskCache) -> None:
    calls: list[int] = []
    barrier = threading.Barrier(6)

    @cache.cached(key_prefix="slow")
    def slow() -> int:
        calls.append(1)
        threading.Event().wait(0.05)
        return 7

    found: list[int] = []

    def ask() -> None:
        with app.app_context():
            barrier.wait()
            found.append(slow())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (found, calls) == ([7] * 6, [1])


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name


def test_closures_are_refused_without_a_version(app: Flask, cache: FlaskCache) -> None:
    around = 1

    add = cache.memoize()(lambda x: x + around)
    with app.app_context(), pytest.raises(KeyEncodingError):
        add(1)


def test_applications_have_their_own_entries_and_settings() -> None:
    cache = FlaskCache()
    apps = [Flask("one"), Flask("two")]
    apps[1].config |= {"AUGURY_TIMEOUT": 0.1, "AUGURY_CAPACITY": 5, "AUGURY_POLICY": "lru"}
    for app in apps:
        cache.init_app(app)
        with app.app_context():
            cache.set("key", app.name)
    for app in apps:
        with app.app_context():
            assert cache.get("key") == app.name
    threading.Event().wait(0.2)
    with apps[0].app_context():
        assert cache.get("key") == "one"
    with apps[1].app_context():
        assert cache.get("key") is None
        for number in range(10):
            cache.set(f"k{number}", number, 0)
        assert sum(cache.get(f"k{number}") is not None for number in range(10)) == 5


def test_prefixes_keep_applications_apart_that_share_a_cache() -> None:
    shared: Cache[Any, Any] = Cache(100)
    cache = FlaskCache(cache=shared)
    for name in ("one", "two"):
        app = Flask(name)
        app.config["AUGURY_KEY_PREFIX"] = f"{name}:"
        cache.init_app(app)
        with app.app_context():
            assert cache.get("key") is None
            cache.set("key", name)
    assert sorted(shared) == ["one:key", "two:key"]


def test_can_be_off() -> None:
    app = Flask("off")
    app.config["AUGURY_OFF"] = True
    cache = FlaskCache(app)
    calls = counting(app, cache)
    client = app.test_client()
    client.get("/a")
    client.get("/a")
    assert len(calls) == 2


def test_tiers_carry_pickle_only_if_asked_for(tmp_path: Path) -> None:
    with Tiers[Any, Any]([Redis(valkey.shared().url, namespace=tmp_path.name)]) as tiers:
        plain, signing = Flask("plain"), Flask("signing")
        signing.config |= {"AUGURY_PICKLE": True, "SECRET_KEY": "of-tests"}
        cache = FlaskCache(plain, tiers)
        cache.init_app(signing)
        with plain.app_context(), pytest.raises(CodecError):
            cache.set("key", Shop("a"))
        with signing.app_context():
            cache.set("key", Shop("a"))
            assert cache.get("key").name == "a"
            made = cache.memoize()(_shop)
            assert made().name == "a"
        with plain.app_context():
            assert cache.get("key") is None
        signing.config["SECRET_KEY"] = "another"
        cache.init_app(signing)
        with signing.app_context():
            assert [made().name, made().name] == ["a", "a"]  # made anew, as it cannot be read


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="takes a Cache or Tiers"):
        FlaskCache(cache={})  # type: ignore[arg-type]
    unsigned = Flask("unsigned")
    unsigned.config["AUGURY_PICKLE"] = True
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        FlaskCache(unsigned)
    cache = FlaskCache()
    with Flask("unserved").app_context(), pytest.raises(ConfigurationError, match="init_app"):
        cache.get("key")
    with pytest.raises(ConfigurationError, match="not memoized"):
        cache.delete_memoized(len)
    with pytest.raises(ConfigurationError, match="coroutine"):
        cache.memoize()(_coroutine)


async def _coroutine() -> None:
    pass


def _shop() -> Shop:
    return Shop("a")
