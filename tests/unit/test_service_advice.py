"""Advice by HTTP, as a client of any language would use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

import augury
from augury.config import Settings, build
from augury.service import Service
from tests.unit.served import Client, bearer, is_problem, token
from tests.unit.test_advisor import zipf

ADVISORS = {
    "few": {"capacity": 50, "policy": "s3fifo"},
    "bytes": {"capacity": "1kB", "policy": "lru"},
}


@contextmanager
def served(**section: Any) -> Iterator[Client]:
    settings = Settings.model_validate({"advisors": ADVISORS, "service": section})
    client = Client(Service(build(settings)))
    try:
        yield client
    finally:
        client.close()


def test_an_external_store_reaches_the_miss_ratio_of_the_policy() -> None:
    trace = [f"k{key}" for key in zipf(1500, 300)]
    held: set[str] = set()
    misses = 0
    with served() as ask:
        for key in trace:
            hit = key in held
            misses += not hit
            told = ask(
                "POST",
                "/v1/advisors/few/accesses",
                json={"accesses": [{"key": key, "hit": hit}]},
            ).json()
            if (
                not hit
                and ask("GET", "/v1/advisors/few/admit", params={"key": key}).json()["admit"]
            ):
                held.add(key)
            if waiting := told["stats"]["to_evict"]:
                named = ask("POST", "/v1/advisors/few/evict", json={"n": waiting}).json()["evict"]
                held -= {each["key"] for each in named}
            assert len(held) <= 50
        view = ask("GET", "/v1/advisors/few").json()
    assert misses == augury.simulate(trace, policy="s3fifo", capacity=50).misses
    assert view["hit_ratio"] == pytest.approx(1 - misses / len(trace))


def test_what_comes_next_and_in_which_order_to_evict() -> None:
    with served() as ask:
        path = "/v1/advisors/few"
        accesses = [{"key": key, "session": "one"} for key in "abcdef"] * 200
        assert ask("POST", f"{path}/accesses", json={"accesses": accesses}).status_code == 200
        [first] = ask("GET", f"{path}/next", params={"key": "a", "n": 1}).json()["next"]
        assert (first["key"], first["score"] > 0.9) == ("b", True)
        ranked = ask("POST", f"{path}/evict", json={"candidates": ["a", "unknown"]}).json()["evict"]
        assert [each["key"] for each in ranked] == ["unknown", "a"]
        entries = ask("POST", f"{path}/forget", json={"keys": ["a"]}).json()["stats"]["entries"]
        assert entries == 5
        assert [each["name"] for each in ask("GET", "/v1/advisors").json()["advisors"]] == [
            "few",
            "bytes",
        ]
        refused = ask("GET", "/v1/advisors/bytes/admit", params={"key": "a", "size": 1001}).json()
        assert not refused["admit"]


def test_mistakes_are_problems() -> None:
    with served() as ask:
        few = "/v1/advisors/few"
        assert is_problem(ask("GET", "/v1/advisors/none"), 404, "/v1/advisors lists them")
        assert is_problem(ask("GET", f"{few}/next"), 422, "key")
        assert is_problem(ask("GET", f"{few}/next?key=a&n=9"), 422, "n")
        assert is_problem(ask("POST", f"{few}/evict", json={}), 422, "either n or candidates")
        for access in (
            {},
            {"key": 5},
            {"key": "a", "size": -1},
            {"key": "a", "size": 2**60},
            {"key": "a", "time": 1e300},
            {"key": "a", "other": 1},
            {"key": "a" * 5000},
        ):
            sent = ask("POST", f"{few}/accesses", json={"accesses": [{"key": "ok"}, access]})
            assert is_problem(sent, 422, "accesses.1")
        many = {"accesses": [{"key": "a"}] * 10_001}
        assert is_problem(ask("POST", f"{few}/accesses", json=many), 422, "10000")
        lone = ask("POST", f"{few}/accesses", content=rb'{"accesses":[{"key":"\ud800"}]}')
        assert is_problem(lone, 422)
        assert ask("GET", few).json()["stats"]["accesses"] == 0


def test_who_may_only_read_changes_nothing() -> None:
    with served(
        tokens={"reader": token("r", "read"), "writer": token("w", "write", "read")}
    ) as ask:
        few = "/v1/advisors/few"
        body = {"accesses": [{"key": "a"}]}
        assert is_problem(ask("POST", f"{few}/accesses", json=body, headers=bearer("r")), 403)
        assert is_problem(ask("POST", f"{few}/evict", json={"n": 1}, headers=bearer("r")), 403)
        assert ask("GET", f"{few}/admit?key=a", headers=bearer("r")).status_code == 200
        assert ask("POST", f"{few}/accesses", json=body, headers=bearer("w")).status_code == 200
        assert is_problem(ask("GET", few), 401)
