"""Who may do what, and from where."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from augury.service.limits import Rate
from augury.service.problems import Problem
from tests.unit.served import Client, bearer, is_problem, served, token

PAGE = "/v1/caches/pages/entries/a"
TOKENS = {
    "reader": token("read-it", "read"),
    "writer": token("write-it", "read", "write"),
    "owner": token("own-it", "read", "write", "admin"),
    "guest": token("visit-it", "read", "write", "admin", caches=("users",)),
    "sink": token("sink-it", "write"),
}


@pytest.fixture
def client() -> Iterator[Client]:
    with served(tokens=TOKENS) as client:
        yield client


def test_without_tokens_everybody_may_do_everything() -> None:
    with served() as client:
        assert client("PUT", PAGE, content=b"1").status_code == 204
        assert client("GET", PAGE, headers=bearer("whatever")).status_code == 200
        assert client("POST", "/v1/caches/pages/invalidate", json={"all": True}).status_code == 204


@pytest.mark.parametrize("path", [PAGE, "/v1/caches", "/v1/snapshot", "/v1/caches/none"])
def test_without_a_token_nothing_is_told(client: Client, path: str) -> None:
    response = client("GET", path)
    assert is_problem(response, 401)
    assert response.headers["www-authenticate"] == 'Bearer realm="augury"'


def test_probes_and_the_document_are_for_everybody(client: Client) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert client("GET", path).status_code == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic cmVhZC1pdA==", "read-it", ""])
def test_another_form_of_authorization(client: Client, header: str) -> None:
    assert is_problem(client("GET", PAGE, headers={"Authorization": header}), 401, "Bearer TOKEN")


@pytest.mark.parametrize(
    "secret", ["read-i", "read-it2", "READ-IT", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_an_unknown_token(client: Client, secret: str) -> None:
    header = {b"Authorization": b"Bearer " + secret.encode()}
    response = client("GET", "/healthz", headers=header)
    assert is_problem(response, 401, "unknown")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_scopes(client: Client) -> None:
    def status(method: str, secret: str, path: str = PAGE, **body: object) -> int:
        return client(method, path, headers=bearer(secret), **body).status_code

    assert status("PUT", "read-it", content=b"1") == 403
    assert status("PUT", "write-it", content=b"1") == 204
    assert status("GET", "read-it") == 200
    assert status("GET", "sink-it") == 403
    assert status("DELETE", "read-it") == 403
    dropped = "/v1/caches/pages/invalidate"
    assert status("POST", "read-it", dropped, json={"keys": ["a"]}) == 403
    assert status("POST", "write-it", dropped, json={"all": True}) == 403
    assert status("POST", "write-it", dropped, json={"keys": ["a"]}) == 204
    assert status("POST", "own-it", dropped, json={"all": True}) == 204
    assert status("POST", "read-it", "/v1/caches/pages/many-set", json={"entries": {}}) == 403
    assert status("POST", "read-it", "/v1/caches/pages/many-get", json={"keys": []}) == 200


def test_a_scope_that_lacks_is_named(client: Client) -> None:
    response = client("PUT", PAGE, headers=bearer("read-it"), content=b"1")
    assert is_problem(response, 403, "'reader' lacks the scope 'write'")


def test_a_token_of_some_caches_sees_no_others(client: Client) -> None:
    guest = bearer("visit-it")
    assert client("PUT", "/v1/caches/users/entries/a", headers=guest, content=b"1").is_success
    refused = [
        client("GET", f"/v1/caches/{name}/entries/a", headers=guest) for name in ("pages", "no")
    ]
    assert all(is_problem(response, 403, "may not use this cache") for response in refused)
    assert refused[0].content == refused[1].content
    for path in ("/v1/caches/pages", "/v1/caches/pages/explain?key=a", "/v1/caches/no"):
        assert is_problem(client("GET", path, headers=guest), 403)
    listed = client("GET", "/v1/caches", headers=guest).json()["caches"]
    told = client("GET", "/v1/snapshot", headers=guest).json()["caches"]
    assert [one["name"] for one in listed] == [one["name"] for one in told] == ["users"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8520", "localhost", "LOCALHOST:1", "[::1]:80", "127.0.0.2"]
)
def test_names_of_the_loopback_interface(client: Client, host: str) -> None:
    assert client("GET", "/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_names_that_others_have_given_to_it(client: Client, host: str) -> None:
    assert is_problem(client("GET", "/healthz", headers={"Host": host}), 421)


def test_elsewhere_any_name_does() -> None:
    with served(host="0.0.0.0", tokens=TOKENS) as client:
        assert client("GET", "/healthz", headers={"Host": "cache.example"}).status_code == 200


def test_pages_of_other_sites_are_refused(client: Client) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        headers = {"Origin": origin, **bearer("own-it")}
        assert is_problem(client("PUT", PAGE, headers=headers, content=b"1"), 403, "other sites")
    own = {"Origin": "http://127.0.0.1", **bearer("own-it")}
    assert client("PUT", PAGE, headers=own, content=b"1").status_code == 204
    preflight = client("OPTIONS", "/v1/caches", headers={"Origin": "http://evil.example"})
    assert not any(name.startswith("access-control") for name in preflight.headers)


def test_every_response_is_guarded(client: Client) -> None:
    for path in ("/healthz", "/openapi.json", "/nowhere", PAGE):
        headers = client("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"


def test_a_rate_is_kept_for_each_token() -> None:
    with served(rate=1, tokens=TOKENS) as client:
        first, second = (client("GET", PAGE, headers=bearer("read-it")) for _ in range(2))
        assert is_problem(first, 404)
        assert is_problem(second, 429, "more than 1 requests a second")
        assert second.headers["retry-after"] == "1"
        assert client("GET", PAGE, headers=bearer("write-it")).status_code == 404


@pytest.mark.parametrize("tokens", [TOKENS, {}])
def test_a_rate_lets_the_dashboard_open(tokens: dict[str, object]) -> None:
    with served(rate=0.01, tokens=tokens) as client:
        files = [client("GET", "/dashboard/main.js").status_code for _ in range(60)]
        assert files == [200] * 60
        assert client("GET", "/v1/caches", headers=bearer("read-it")).status_code == 200
        files = [client("GET", "/dashboard/main.js").status_code for _ in range(100)]
        assert files[-1] == 429  # but it is no way to keep the service busy
        assert client("GET", "/dashboard/", headers=bearer("guess")).status_code != 200


def test_strangers_hear_no_names_of_caches() -> None:
    with served(tokens=TOKENS) as client:
        client.service.stores["pages"] = Down()  # type: ignore[assignment]
        assert is_problem(client("GET", "/readyz"), 503, "a cache: its last tier is down")
        own = client("GET", "/readyz", headers=bearer("read-it"))
        assert is_problem(own, 503, "cache pages: its last tier is down")


class Down:
    """Stands for a cache."""

    async def outage(self) -> str:
        return "its last tier is down"

    async def close(self) -> None:
        pass


def test_guesses_of_tokens_count_for_the_address() -> None:
    with served(rate=0.1, tokens=TOKENS) as client:
        guesses = [client("GET", PAGE, headers=bearer(f"guess {i}")) for i in range(3)]
        assert [guess.status_code for guess in guesses] == [401, 429, 429]


def test_a_bucket_fills_again() -> None:
    now = 0.0
    rate = Rate(2.0, lambda: now)
    for _ in range(2):
        rate.take("a")
    for wait in (0.0, 0.4):
        now += wait
        with pytest.raises(Problem):
            rate.take("a")
    now += 0.1
    rate.take("a")
    now += 100
    for _ in range(2):
        rate.take("a")
    with pytest.raises(Problem):
        rate.take("a")
