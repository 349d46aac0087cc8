"""A token of some caches is a tenant: over HTTP it reaches nothing that tells of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.served import Client, bearer, is_problem, served, token

TOKENS = {
    "a": token("of-a", "read", "write", "admin", caches=("pages",)),
    "b": token("of-b", "read", "write", "admin", caches=("users",)),
    "owner": token("of-all", "read", "write", "admin"),
}
A, B = bearer("of-a"), bearer("of-b")


@pytest.fixture
def client() -> Iterator[Client]:
    with served(tokens=TOKENS) as client:
        yield client


def seen_by_a(client: Client) -> list[object]:
    told = client("GET", "/v1/snapshot", headers=A).json()
    listed = client("GET", "/v1/caches", headers=A).json()
    (one,) = told["caches"]
    (same,) = client("GET", "/v1/snapshot?cache=pages", headers=A).json()["caches"]
    assert same["name"] == one["name"]
    assert is_problem(client("GET", "/v1/snapshot?cache=users", headers=A), 404, "no history")
    metrics = client("GET", "/metrics", headers=A).text
    return [
        sorted(name for name, value in told.items() if value and isinstance(value, list)),
        one["name"],
        [one[name] for name in ("entries", "hits", "misses")],
        [each["name"] for each in listed["caches"]],
        sorted(line for line in metrics.splitlines() if "users" in line),
        client("GET", "/v1/caches/pages/explain?key=secret", headers=A).json(),
        client("GET", "/v1/caches/pages/entries/secret", headers=A).status_code,
    ]


def test_what_a_tenant_sees_does_not_depend_on_another(client: Client) -> None:
    with served(tokens=TOKENS) as quiet:
        for at in range(20):
            client("PUT", f"/v1/caches/users/entries/{at}", headers=B, content=b"of B")
            client("GET", f"/v1/caches/users/entries/{at}", headers=B)
        client("PUT", "/v1/caches/users/entries/secret", headers=B, content=b"of B")
        assert seen_by_a(client) == seen_by_a(quiet)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/advisors"),
        ("GET", "/v1/advisors/any/next"),
        ("GET", "/v1/advisors/any/admit?key=a"),
        ("POST", "/v1/advisors/any/accesses"),
        ("GET", "/v1/answers"),
        ("POST", "/v1/answers/any/ask"),
        ("GET", "/v1/models"),
        ("POST", "/v1/models/1/activate"),
        ("POST", "/v1/models/rollback"),
        ("GET", "/v1/training/traces"),
        ("GET", "/v1/training/jobs"),
        ("POST", "/v1/training/jobs"),
    ],
)
def test_what_belongs_to_no_cache_is_for_tokens_of_all(
    client: Client, method: str, path: str
) -> None:
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}
    assert is_problem(client(method, path, headers=A, **body), 403, "nothing but its caches")
    assert client(method, path, headers=bearer("of-all"), **body).status_code != 403
    assert is_problem(client(method, path, **body), 401)


@pytest.mark.parametrize("way", ["many-get", "many-set", "invalidate"])
def test_no_way_leads_into_the_cache_of_another(client: Client, way: str) -> None:
    wanted: dict[str, object] = {
        "many-set": {"entries": {"a": {"body": ""}}},
        "invalidate": {"all": True},
    }
    body = wanted.get(way, {"keys": ["a"]})
    assert is_problem(client("POST", f"/v1/caches/users/{way}", headers=A, json=body), 403)
