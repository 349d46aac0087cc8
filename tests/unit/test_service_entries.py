"""Entries over HTTP: what is stored is what is read, and what is wrong is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.served import CACHES, Client, is_problem, served

PAGE = "/v1/caches/pages/entries/"


@pytest.fixture
def client() -> Iterator[Client]:
    with served(body_limit=1000) as client:
        yield client


def test_what_was_stored_is_read(client: Client) -> None:
    body = bytes(range(256))
    stored = client("PUT", PAGE + "a", content=body, headers={"Content-Type": "image/png"})
    assert (stored.status_code, stored.content) == (204, b"")
    read = client("GET", PAGE + "a")
    assert (read.status_code, read.content) == (200, body)
    assert read.headers["content-type"] == "image/png"
    assert read.headers["etag"] == stored.headers["etag"]
    assert read.headers["content-length"] == "256"


def test_bytes_are_what_is_not_said_to_be_anything_else(client: Client) -> None:
    client("PUT", PAGE + "a", content=b"")
    read = client("GET", PAGE + "a")
    assert (read.content, read.headers["content-type"]) == (b"", "application/octet-stream")


def test_head_tells_what_get_would(client: Client) -> None:
    client("PUT", PAGE + "a", content=b"12345")
    head, read = client("HEAD", PAGE + "a"), client("GET", PAGE + "a")
    assert head.content == b""
    assert dict(head.headers) == dict(read.headers)
    assert client("HEAD", PAGE + "b").status_code == 404


def test_a_client_that_has_it_gets_no_body(client: Client) -> None:
    etag = client("PUT", PAGE + "a", content=b"1").headers["etag"]
    for condition in (etag, f'"other", W/{etag}', "*"):
        response = client("GET", PAGE + "a", headers={"If-None-Match": condition})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert client("GET", PAGE + "a", headers={"If-None-Match": '"other"'}).status_code == 200
    other = client("PUT", PAGE + "a", content=b"1", headers={"Content-Type": "text/plain"})
    assert other.headers["etag"] != etag


def test_an_entry_is_deleted_once(client: Client) -> None:
    client("PUT", PAGE + "a", content=b"1")
    assert client("DELETE", PAGE + "a").status_code == 204
    assert is_problem(client("DELETE", PAGE + "a"), 404)
    assert is_problem(client("GET", PAGE + "a"), 404)


@pytest.mark.parametrize(
    "key", ["a%2Fb", "a/b", "%C3%A4", "%F0%9F%A6%89", "%00", "a%20b", "%25", "a//"]
)
def test_keys_are_any_text(client: Client, key: str) -> None:
    client("PUT", PAGE + key, content=key.encode())
    assert client("GET", PAGE + key).content == key.encode()
    assert client("GET", "/v1/caches/pages").json()["entries"] == 1


def test_an_escaped_key_is_the_same_as_the_plain_one(client: Client) -> None:
    client("PUT", PAGE + "a%2Fb", content=b"1")
    assert client("GET", PAGE + "a/b").content == b"1"


def test_keys_that_cannot_be(client: Client) -> None:
    assert is_problem(client("GET", PAGE), 422, "key")
    assert is_problem(client("GET", PAGE + "%FF"), 400, "UTF-8")
    assert is_problem(client("GET", PAGE + "k" * 1025), 422, "1024")
    assert client("PUT", PAGE + "%C3%A4" * 1024, content=b"").status_code == 204


@pytest.mark.parametrize("media_type", [b"", b"\xff", b"a" * 256])
def test_types_that_cannot_be(client: Client, media_type: bytes) -> None:
    headers = {b"Content-Type": media_type}
    assert is_problem(client("PUT", PAGE + "a", content=b"", headers=headers), 415)


def test_a_time_to_live_is_kept(client: Client) -> None:
    client("PUT", PAGE + "a?ttl=60", content=b"1")
    explained = client("GET", "/v1/caches/pages/explain", params={"key": "a"}).json()
    assert 0 < explained["expires_in"] <= 60


@pytest.mark.parametrize("ttl", ["0", "-1", "nan", "inf", "x", "", "1e99"])
def test_a_time_to_live_that_cannot_be(client: Client, ttl: str) -> None:
    assert is_problem(client("PUT", f"{PAGE}a?ttl={ttl}", content=b"1"), 422, "ttl")
    assert client("GET", PAGE + "a").status_code == 404


def test_parameters_that_are_not_there_are_refused(client: Client) -> None:
    assert is_problem(client("PUT", PAGE + "a?tll=60", content=b"1"), 422, "'tll'")


def test_an_unknown_cache(client: Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert is_problem(client(method, "/v1/caches/none/entries/a"), 404, "/v1/caches")


def test_methods_that_are_not_there(client: Client) -> None:
    response = client("POST", PAGE + "a")
    assert is_problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD, PUT, DELETE"


def test_a_body_that_is_too_long(client: Client) -> None:
    response = client("PUT", PAGE + "a", content=b"x" * 1001)
    assert is_problem(response, 413, "1000")
    assert response.headers["connection"] == "close"
    assert client("PUT", PAGE + "a", content=b"x" * 1000).status_code == 204


def test_an_encoding_is_not_kept_and_so_refused(client: Client) -> None:
    response = client("PUT", PAGE + "a", content=b"x", headers={"Content-Encoding": "gzip"})
    assert is_problem(response, 415)


def test_values_of_others_are_read_as_they_are() -> None:
    with served() as client:
        cache = client.service.stores["pages"].cache  # type: ignore[attr-defined]
        cache.update({"bytes": b"\x00", "text": "ä", "rows": [{"a": 1}], "set": {1}})
        read = {key: client("GET", PAGE + key) for key in ("bytes", "text", "rows", "set")}
    assert read["bytes"].headers["content-type"] == "application/octet-stream"
    assert (read["text"].text, read["rows"].json(), read["set"].json()) == ("ä", [{"a": 1}], [1])
    assert read["text"].headers["content-type"] == "text/plain; charset=utf-8"


def test_entries_pass_through_tiers(tmp_path: object) -> None:
    tiers = [{"kind": "memory", "capacity": 10}, {"kind": "disk", "folder": str(tmp_path)}]
    for body in (b"1", b"2"):
        with served({"kept": {"tiers": tiers, "ttl": 60}}) as client:
            path = "/v1/caches/kept/entries/a"
            if body == b"1":
                client("PUT", path, content=body, headers={"Content-Type": "text/html"})
            read = client("GET", path)
            assert (read.content, read.headers["content-type"]) == (b"1", "text/html")
            assert client("GET", "/v1/caches/kept").json()["kind"] == "tiers"
            assert client("GET", "/readyz").status_code == 200


def test_a_capacity_of_bytes_counts_bodies() -> None:
    with served({"pages": {"capacity": "1kB", "policy": "lru"}}) as client:
        for key in range(10):
            client("PUT", f"{PAGE}{key}", content=b"x" * 300)
        weight = client("GET", "/v1/caches/pages").json()["weight"]
    assert 300 <= weight <= 1000


def test_entries_are_shown_in_a_sandbox(client: Client) -> None:
    client("PUT", PAGE + "a", content=b"<script>", headers={"Content-Type": "text/html"})
    headers = client("GET", PAGE + "a").headers
    assert "sandbox" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_caches_are_apart(client: Client) -> None:
    client("PUT", PAGE + "a", content=b"1")
    assert client("GET", "/v1/caches/users/entries/a").status_code == 404
    assert [one["name"] for one in client("GET", "/v1/caches").json()["caches"]] == list(CACHES)
