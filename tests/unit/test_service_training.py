"""Models, training and answers by HTTP: what clients may do, and what nobody can."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

import httpx

from augury.config import Settings, build
from augury.config.sections.service import Token
from augury.config.tokens import make_token
from augury.models import Registry
from augury.service import job_process
from augury.service.app import application
from augury.service.service import Service
from tests.unit.learnable import popular_and_scans
from tests.unit.test_artefact import linear

Client = Any


def settings(folder: Path, **more: Any) -> Settings:
    return Settings.model_validate(
        {"registry": folder / "models", "training": {"folder": folder / "logs", "queue": 2}} | more
    )


@asynccontextmanager
async def served(settings: Settings, token: str = "") -> AsyncIterator[Client]:
    service = Service(build(settings))
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(application(service)),
            base_url="http://127.0.0.1:8520",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        ) as client:
            yield client
    finally:
        await service.close()


def run(settings: Settings, play: Callable[[Client], Awaitable[None]], token: str = "") -> None:
    async def main() -> None:
        async with served(settings, token) as client:
            await play(client)

    asyncio.run(main())


async def ended(client: Client, location: str) -> dict[str, Any]:
    for _ in range(1200):
        job: dict[str, Any] = (await client.get(location)).json()
        if job["state"] not in ("waiting", "running"):
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(job)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    keys = popular_and_scans(6_000).tolist()
    (tmp_path / "logs" / "requests.txt").write_text("".join(f"{key}\n" for key in keys))
    (tmp_path / "secret.txt").write_text("1\n2\n3\n")
    return tmp_path


def test_a_model_is_trained_evaluated_activated_and_rolled_back(folder: Path) -> None:
    pytest.importorskip("sklearn")
    Registry(folder / "models").publish(linear())

    async def play(client: Client) -> None:
        traces = (await client.get("/v1/training/traces")).json()["traces"]
        assert [each["name"] for each in traces] == ["requests.txt"]
        wanted = {"trace": "requests.txt", "model": "tree", "sizes": ["200", "10%"]}
        response = await client.post("/v1/training/jobs", json=wanted)
        assert response.status_code == 202
        job = await ended(client, response.headers["Location"])
        assert (job["state"], job["share"], job["version"]) == ("done", 1.0, 2)
        ratios = job["result"]["miss_ratios"]
        assert ratios["belady"]["200"] <= ratios["learned"]["200"] < ratios["lru"]["200"]
        versions = (await client.get("/v1/models")).json()["versions"]
        assert [(each["number"], each["current"]) for each in versions] == [(1, True), (2, False)]
        card = (await client.get("/v1/models/2")).json()["card"]
        assert (card["model"], card["data"], card["requests"]) == ("tree", "requests.txt", 6000)

        wanted = {"trace": "requests.txt", "sizes": ["200"]}
        response = await client.post("/v1/models/2/evaluate", json=wanted)
        again = await ended(client, response.headers["Location"])
        assert again["result"]["miss_ratios"]["learned"]["200"] == ratios["learned"]["200"]

        assert (await client.post("/v1/models/2/activate")).json()["current"] is True
        assert (await client.post("/v1/models/rollback")).json()["number"] == 1
        assert (await client.post("/v1/models/rollback")).status_code == 409
        assert (await client.post("/v1/models/prune", json={"keep": 1})).json() == {"deleted": []}
        jobs = (await client.get("/v1/training/jobs")).json()["jobs"]
        assert [(each["id"], each["kind"]) for each in jobs] == [(2, "evaluation"), (1, "training")]

    run(settings(folder), play)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "..",
        ".",
        "/etc/passwd",
        "logs/requests.txt",
        "./requests.txt",
        "requests.txt/",
        "requests.txt\0",
        "*",
        ".hidden",
        "link.txt",
        "linked",
    ],
)
def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    (folder / "logs" / ".hidden").write_text("1\n2\n")
    (folder / "logs" / "link.txt").symlink_to(folder / "secret.txt")
    (folder / "logs" / "linked").symlink_to(folder)

    async def play(client: Client) -> None:
        assert len((await client.get("/v1/training/traces")).json()["traces"]) == 1
        for place in ("/v1/training/jobs", "/v1/models/1/evaluate"):
            response = await client.post(place, json={"trace": name})
            assert response.status_code == 404
            assert str(folder) not in response.text

    Registry(folder / "models").publish(linear())
    run(settings(folder), play)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "unheard"},
        {"model": "../tree"},
        {"sizes": []},
        {"sizes": ["-5"]},
        {"sizes": ["x" * 100]},
        {"until": 0},
        {"until": 1},
        {"until": "much"},
        {"trace": 5},
        {"trace": ""},
        {"output": "/tmp/x"},
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, wrong: dict[str, Any]) -> None:
    async def play(client: Client) -> None:
        response = await client.post("/v1/training/jobs", json={"trace": "requests.txt"} | wrong)
        assert response.status_code == 422
        assert response.headers["Content-Type"] == "application/problem+json"

    run(settings(folder), play)


def test_a_trace_without_a_lesson_fails_its_job_and_not_the_next(folder: Path) -> None:
    pytest.importorskip("sklearn")
    (folder / "logs" / "short.txt").write_text("1\n2\n")
    (folder / "logs" / "noise").write_bytes(os.urandom(5_000))
    (folder / "logs" / "empty").write_bytes(b"")

    async def play(client: Client) -> None:
        for name in ("short.txt", "noise", "empty"):
            body = {"trace": name, "model": "tree"}
            response = await client.post("/v1/training/jobs", json=body)
            job = await ended(client, response.headers["Location"])
            assert (job["state"], job["version"]) == ("failed", None)
            assert job["error"]
            assert str(folder) not in job["error"]
            assert "exit code" not in job["error"]
        wanted = {"trace": "requests.txt", "model": "tree", "sizes": ["100"], "activate": True}
        response = await client.post("/v1/training/jobs", json=wanted)
        assert (await ended(client, response.headers["Location"]))["state"] == "done"
        assert (await client.get("/v1/models")).json()["versions"][0]["current"]

    run(settings(folder), play)


def test_a_process_that_dies_fails_its_job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augury.service.job_child.sys.executable", "/bin/false")

    async def play(client: Client) -> None:
        response = await client.post("/v1/training/jobs", json={"trace": "requests.txt"})
        job = await ended(client, response.headers["Location"])
        assert job["state"] == "failed"
        assert "exit code 1" in job["error"]

    run(settings(folder), play)


def test_jobs_wait_in_turn_and_are_cancelled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = folder / "python"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr("augury.service.job_child.sys.executable", str(script))

    async def play(client: Client) -> None:
        body = {"trace": "requests.txt"}
        first = (await client.post("/v1/training/jobs", json=body)).headers["Location"]
        while (await client.get(first)).json()["state"] == "waiting":
            await asyncio.sleep(0.01)
        for _ in range(2):
            assert (await client.post("/v1/training/jobs", json=body)).status_code == 202
        full = await client.post("/v1/training/jobs", json=body)
        assert full.status_code == 503
        assert full.headers["Retry-After"] == "60"
        assert (await client.delete("/v1/training/jobs/2")).json()["state"] == "cancelled"
        assert (await client.delete("/v1/training/jobs/2")).json()["state"] == "cancelled"
        assert (await client.delete(first)).json()["state"] == "cancelled"
        while (await client.get("/v1/training/jobs/3")).json()["state"] == "waiting":
            await asyncio.sleep(0.01)
        assert (await client.get("/v1/training/jobs/99")).status_code == 404
        # And the third runs, until the service stops.

    run(settings(folder), play)


def test_without_folders_there_is_nothing_to_do(tmp_path: Path) -> None:
    async def play(client: Client) -> None:
        assert (await client.get("/v1/models")).json() == {"versions": []}
        assert (await client.get("/v1/models/1")).status_code == 404
        assert (await client.get("/v1/training/traces")).json() == {"traces": []}
        response = await client.post("/v1/training/jobs", json={"trace": "x"})
        assert response.status_code == 409

    run(Settings(), play)


def test_a_damaged_version_does_not_become_current(folder: Path) -> None:
    registry = Registry(folder / "models")
    for _ in range(2):
        registry.publish(linear(), activate=False)
    registry.versions()[1].path.write_bytes(b"damaged")

    async def play(client: Client) -> None:
        assert (await client.post("/v1/models/1/activate")).status_code == 200
        response = await client.post("/v1/models/2/activate")
        assert response.status_code == 409
        assert str(folder) not in response.text
        assert (await client.get("/v1/models/2")).json()["card"] is None
        assert (await client.post("/v1/models/3/activate")).status_code == 404
        assert (await client.post("/v1/models/0/activate")).status_code == 422

    run(settings(folder), play)
    assert registry.current() == registry.versions()[0]


def test_only_an_admin_decides(folder: Path) -> None:
    Registry(folder / "models").publish(linear())
    token, section = make_token("reader", ["read", "write"])
    secured = settings(folder, service={"tokens": {"reader": section.model_dump()}})
    changes = [
        ("POST", "/v1/models/1/activate", None),
        ("POST", "/v1/models/1/evaluate", {"trace": "requests.txt"}),
        ("POST", "/v1/models/rollback", None),
        ("POST", "/v1/models/prune", {}),
        ("POST", "/v1/training/jobs", {"trace": "requests.txt"}),
        ("DELETE", "/v1/training/jobs/1", None),
    ]

    async def play(client: Client) -> None:
        assert (await client.get("/v1/models/1")).status_code == 200
        for method, path, body in changes:
            assert (await client.request(method, path, json=body)).status_code == 403
        client.headers.pop("Authorization")
        for path in ("/v1/models", "/v1/training/traces", "/v1/training/jobs", "/v1/answers"):
            assert (await client.get(path)).status_code == 401

    assert isinstance(section, Token)
    run(secured, play, token)


def test_the_process_says_what_is_wrong_with_a_model(folder: Path) -> None:
    task = job_process.Task(
        kind="evaluation",
        trace=str(folder / "logs" / "requests.txt"),
        name="requests.txt",
        file=str(folder / "secret.txt"),
        sizes=("100",),
    )
    with pytest.raises(ValueError, match="secret"):
        job_process.perform(task, lambda stage, share: None)


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE sales (month INTEGER, day DATE, kind TEXT, amount REAL)")
        database.executemany(
            "INSERT INTO sales VALUES (?, ?, ?, ?)",
            [(1, "2026-01-05", "a", 5.0), (2, "2026-02-01", "b", 7.0), (2, "2026-02-02", "a", 1.0)],
        )
    database.close()
    queries = {
        "sum": {
            "sql": "SELECT sum(amount) FROM sales WHERE month BETWEEN :first AND :last",
            "parameters": {"first": "int", "last": {"kind": "int", "most": 12}},
            "tolerance": "5%",
        },
        "count": {
            "sql": "SELECT count(*) FROM sales WHERE kind IN :kinds",
            "parameters": {"kinds": "list[str]"},
        },
        "by_kind": {
            "sql": "SELECT kind, sum(amount) FROM sales WHERE month <= :month GROUP BY kind",
            "parameters": {"month": "int"},
        },
        "since": {
            "sql": "SELECT count(*) FROM sales WHERE day >= :day",
            "parameters": {"day": "date"},
        },
    }
    database_url = f"sqlite:///{tmp_path}/shop.db"
    return Settings.model_validate(
        {"answers": {"shop": {"database": database_url, "queries": queries}}}
    )


def ask(query: str, **parameters: Any) -> dict[str, Any]:
    return {"query": query, "parameters": parameters}


def test_registered_queries_are_answered(shop: Settings, tmp_path: Path) -> None:
    pytest.importorskip("sqlglot")

    async def play(client: Client) -> None:
        (listed,) = (await client.get("/v1/answers")).json()["answers"]
        assert [query["name"] for query in listed["queries"]] == [
            "sum", "count", "by_kind", "since",
        ]  # fmt: skip
        assert listed["queries"][1]["parameters"] == {"kinds": {"kind": "str", "several": True}}
        place = "/v1/answers/shop/ask"
        for origin in ("database", "cache"):
            reply = (await client.post(place, json=ask("sum", first=1, last=2))).json()
            assert (reply["value"], reply["low"], reply["high"]) == (13.0, 13.0, 13.0)
            assert (reply["origin"], reply["confidence"]) == (origin, 1.0)
        again = ask("sum", first=1, last=2) | {"exact": True, "tolerance": {"relative": 0.1}}
        assert (await client.post(place, json=again)).json()["value"] == 13.0
        assert (await client.post(place, json=ask("count", kinds=["a"]))).json()["value"] == 2
        groups = (await client.post(place, json=ask("by_kind", month=2))).json()["groups"]
        assert {each["by"][0]: each["value"] for each in groups} == {"a": 6.0, "b": 7.0}
        assert (await client.post(place, json=ask("since", day="2026-02-01"))).json()["value"] == 2
        assert (await client.post(place, json=ask("sum", first=9, last=9))).json()["value"] is None

        with sqlite3.connect(tmp_path / "shop.db") as database:
            database.execute("INSERT INTO sales VALUES (1, '2026-01-06', 'a', 100)")
        database.close()
        changed = await client.post("/v1/answers/shop/changed", json={"table": "sales"})
        assert changed.json() == {"queries": 4}
        reply = (await client.post(place, json=ask("sum", first=1, last=2))).json()
        assert (reply["value"], reply["origin"]) == (113.0, "database")
        reports = (await client.get("/v1/answers/shop/report")).json()["reports"]
        assert reports[0]["answers"]["cache"] == 1

    run(shop, play)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (ask("drop"), 404, "no such query"),
        (ask("sum", first=1), 422, "last"),
        (ask("sum", first=1, last=13), 422, "at most 12"),
        (ask("sum", first="1; DROP TABLE sales", last=2), 422, "whole number"),
        (ask("sum", first=1, last=2, more=3), 422, "more"),
        (ask("sum", first=[1], last=2), 422, "whole number"),
        (ask("sum", first=10**30, last=2), 422, "whole number"),
        (ask("sum", first=None, last={}), 422, "whole number"),
        (ask("count", kinds="a"), 422, "list"),
        (ask("count", kinds=[]), 422, "empty"),
        (ask("count", kinds=["a\0"]), 422, "text"),
        (ask("count", kinds=[["a"]]), 422, "text"),
        (ask("since", day="yesterday"), 422, "ISO 8601"),
        (ask("since", day=5), 422, "date"),
        (ask("sum", first=1, last=2) | {"tolerance": {}}, 422, "tolerance"),
        (ask("sum", first=1, last=2) | {"tolerance": {"absolute": -1}}, 422, "greater"),
        (ask("sum", first=1, last=2) | {"sql": "SELECT 1"}, 422, "sql"),
        ({"query": "sum", "parameters": []}, 422, "parameters"),
        ([], 422, "body"),
    ],
)
def test_odd_questions_are_refused(shop: Settings, body: Any, status: int, told: str) -> None:
    pytest.importorskip("sqlglot")

    async def play(client: Client) -> None:
        response = await client.post("/v1/answers/shop/ask", json=body)
        assert (response.status_code, told in response.text) == (status, True), response.text
        assert (await client.post("/v1/answers/x/ask", json=ask("sum"))).status_code == 404

    run(shop, play)


def test_a_database_that_fails_is_no_failure_of_the_service(shop: Settings, tmp_path: Path) -> None:
    pytest.importorskip("sqlglot")
    (tmp_path / "shop.db").unlink()

    async def play(client: Client) -> None:
        response = await client.post("/v1/answers/shop/ask", json=ask("sum", first=1, last=2))
        assert response.status_code == 502

    run(shop, play)
