"""Whatever is given as a parameter, a mistake is a `ConfigurationError` of one short line."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augury.breaker import Breaker
from augury.codecs import Keyring, Serializer
from augury.errors import ConfigurationError
from augury.sources import HTTP, SQL, Coalesced, Loader, Resilient
from augury.tiers import Memcached, Memory, Predicted, Redis, SeenBefore, Tiers
from augury.tiers.disk import Disk


def one(_: object) -> int:
    return 1


MADE: dict[type, Callable[..., Any]] = {
    Tiers: lambda **given: Tiers(**{"tiers": [Memory(10)]} | given),
    Memory: lambda **given: Memory(**{"capacity": 10} | given),
    Redis: lambda **given: Redis(**{"where": "redis://127.0.0.1:1"} | given),
    Memcached: lambda **given: Memcached(**{"servers": ["127.0.0.1:1"]} | given),
    Disk: lambda **given: Disk(**{"folder": Path("never-opened")} | given),
    Serializer: Serializer,
    Keyring: Keyring,
    Loader: lambda **given: Loader(**{"function": one} | given),
    SQL: lambda **given: SQL(
        **{"database": "sqlite://", "statement": "SELECT id WHERE id IN :keys", "key": "id"} | given
    ),
    HTTP: lambda **given: HTTP(**{"url": "http://x/{key}"} | given),
    Resilient: lambda **given: Resilient(**{"source": Loader(one)} | given),
    Coalesced: lambda **given: Coalesced(**{"source": Loader(one)} | given),
    Breaker: Breaker,
    SeenBefore: SeenBefore,
    Predicted: lambda **given: Predicted(**{"cache": Memory(10).cache} | given),
}
NUMBERS = [None, "5", "", b"5", [], {}, object(), one, int, -1, math.nan]
OPTIONAL = [value for value in NUMBERS if value is not None]
TEXTS = [None, 5, b"x", [], object(), one]
OTHERS = ["x", b"x", 5, math.nan, object(), int, [1]]

WRONG: list[tuple[type, str, list[Any]]] = [
    (Tiers, "tiers", [None, 5, "x", [], [None], [object()]]),
    (Tiers, "source", [5, "x", [], object()]),
    (Tiers, "ttl", ["5", 0, -1, math.nan, []]),
    (Tiers, "near_ttl", ["5", 0, -1, math.nan, [], one]),
    (Tiers, "stale", ["5", -1, None, math.nan, []]),
    (Tiers, "jitter", [*NUMBERS, 1, math.inf]),
    (Tiers, "eagerness", [*NUMBERS, math.inf]),
    (Tiers, "lease", [*NUMBERS, 0, math.inf]),
    (Tiers, "queue", [*NUMBERS, 0, 1.5, True]),
    (Tiers, "placement", OTHERS),
    (Tiers, "tags", ["x", 5, []]),
    (Tiers, "on_fault", ["x", 5, []]),
    (Memory, "weigher", ["x", 5, []]),
    (Memory, "name", TEXTS),
    (Redis, "where", [*TEXTS, "redis:/x", "redis://h/db", "redis+cluster://h:1,,"]),
    (Redis, "namespace", [*TEXTS, "", "x" * 201]),
    (Redis, "serializer", OTHERS),
    (Redis, "timeout", [*NUMBERS, 0, math.inf]),
    (Redis, "heartbeat", [*NUMBERS, 0, math.inf]),
    (Redis, "name", TEXTS),
    (Memcached, "servers", [None, 5, object(), [None], [], "", " ", "memcached://h:1", "a b:1"]),
    (Memcached, "namespace", [*TEXTS, "", "a b"]),
    (Memcached, "serializer", OTHERS),
    (Memcached, "timeout", [*NUMBERS, 0, math.inf]),
    (Memcached, "item_size", [*NUMBERS, 0, 1.5, 2**40]),
    (Disk, "folder", [None, 5, "", []]),
    (Disk, "capacity", [None, "", "x", [], 0, math.nan]),
    (Disk, "serializer", OTHERS),
    (Disk, "timeout", [*NUMBERS, 0, math.inf]),
    (Serializer, "compress_above", [*OPTIONAL, 1.5, True]),
    (Serializer, "keys", [*OTHERS, {1: b"k" * 32}]),
    (Serializer, "pickle", ["x" * 16, b"short", 5]),
    (Serializer, "max_bytes", [*NUMBERS, 0, 1.5]),
    (Keyring, "keys", [*OTHERS, None, {}, {0: b"k" * 32}, {1: "k" * 32}, {True: b"k" * 32}]),
    (Loader, "function", [None, 5, "x"]),
    (Loader, "concurrency", [*NUMBERS, 0, 1.5, True]),
    (SQL, "database", [None, 5, "x", "nosql://x", "postgresql://me:hunter2@host:port/name"]),
    (SQL, "statement", [None, 5, b"SELECT", "SELECT 1"]),
    (SQL, "key", [None, 5, (), (5,)]),
    (SQL, "read_only", [None, "no", 5]),
    (SQL, "timeout", [*OPTIONAL, 0, math.inf]),
    (HTTP, "url", [None, 5, "x", "ftp://x/{key}", "http://x/", "http://\ud800/{key}"]),
    (HTTP, "read", ["x", 5]),
    (HTTP, "headers", ["x", 5, ["x"]]),
    (HTTP, "hosts", [None, 5, "x"]),
    (Resilient, "timeout", [*OPTIONAL, 0]),
    (Resilient, "retry", ["x", 5, [ValueError], BaseException]),
    (Coalesced, "wait", OPTIONAL),
    (Breaker, "failures", [*NUMBERS, 0, 1.5, True]),
    (Breaker, "rest", [*NUMBERS, 10**400]),
    (Breaker, "clock", [None, 5]),
    (SeenBefore, "keys", [*NUMBERS, 0, 1.5]),
    (Predicted, "reach", [*NUMBERS, 0]),
    (Predicted, "cache", OTHERS),
]


@pytest.mark.parametrize(
    ("kind", "name", "values"), [pytest.param(*it, id=f"{it[0].__name__}-{it[1]}") for it in WRONG]
)
def test_a_wrong_parameter_is_told_in_a_line(kind: type, name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigurationError) as raised:
            MADE[kind](**{name: value})
        text = str(raised.value)
        assert "\n" not in text, value
        assert len(text) < 250, value
        assert "hunter2" not in text


def test_a_statement_that_returns_no_rows_is_told_so() -> None:
    writes: SQL[int, int] = SQL(
        "sqlite://", "CREATE TABLE made AS SELECT 1 WHERE 1 IN :keys", key="id"
    )
    with pytest.raises(ConfigurationError, match="give a SELECT"):
        writes.load_many([1])
    asyncio.run(writes.aclose())
