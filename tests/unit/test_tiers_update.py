"""A value is replaced by what is made of it, and no write in between is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis")

from augury import Tiers
from augury.errors import ConfigurationError, TierError
from augury.tiers import Disk, Memory, Redis
from tests.servers import valkey


@pytest.fixture(params=["disk", "memory and redis"])
def tiers(request: Any, tmp_path: Path) -> Iterator[Tiers[Any, Any]]:
    last = (
        Disk(tmp_path, 1 << 24)
        if request.param == "disk"
        else Redis(valkey.shared().url, namespace=f"update {tmp_path.name}")
    )
    tiers = [last] if request.param == "disk" else [Memory(100), last]
    with Tiers[Any, Any](tiers, near_ttl=60, jitter=0) as made:
        made.clear()
        yield made


def test_replaces_what_is_there(tiers: Tiers[Any, Any]) -> None:
    tiers.set("n", 1, ttl=60)
    assert tiers.update("n", lambda n: n + 1) == 2
    assert tiers.get("n") == 2
    assert asyncio.run(tiers.aupdate("n", lambda n: n * 10)) == 20
    assert tiers.get_many(["n"]) == {"n": 20}


def test_knows_nothing_of_what_is_not_there(tiers: Tiers[Any, Any]) -> None:
    with pytest.raises(KeyError):
        tiers.update("n", lambda n: n + 1)
    tiers.set("n", 1)
    tiers.clear()
    with pytest.raises(KeyError):
        tiers.update("n", lambda n: n + 1)
    tiers.set("n", 1, ttl=0.001)
    threading.Event().wait(0.01)
    with pytest.raises(KeyError):
        tiers.update("n", lambda n: n + 1, ttl=60)


def test_keeps_or_changes_when_it_expires(tiers: Tiers[Any, Any]) -> None:
    tiers.set("kept", 1, ttl=0.2)
    tiers.set("longer", 1, ttl=0.2)
    tiers.update("kept", lambda n: n + 1)
    tiers.update("longer", lambda n: n + 1, ttl=None)
    threading.Event().wait(0.3)
    assert tiers.get_many(["kept", "longer"]) == {"longer": 2}


def test_loses_no_update_of_many_threads(tiers: Tiers[Any, Any]) -> None:
    tiers.set("n", 0)

    def count() -> None:
        for _ in range(25):
            tiers.update("n", lambda n: n + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert tiers.get("n") == 100


def test_leaves_what_a_failed_change_found(tiers: Tiers[Any, Any]) -> None:
    tiers.set("n", 1)
    with pytest.raises(ZeroDivisionError):
        tiers.update("n", lambda n: n // 0)
    assert tiers.get("n") == 1


def test_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with (
        Tiers[Any, Any]([Memory(10)]) as near,
        pytest.raises(ConfigurationError, match="besides memory"),
    ):
        near.update("n", str)
    with (
        Tiers[Any, Any]([Disk(tmp_path, 1 << 24)], write="behind") as behind,
        pytest.raises(ConfigurationError, match="write through"),
    ):
        behind.update("n", str)
    with Tiers[Any, Any]([Redis("redis://127.0.0.1:1")]) as down, pytest.raises(TierError):
        down.update("n", str)
