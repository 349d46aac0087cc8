"""Outputs that took long stay in a shared cache where others leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from augury import Cache, _native

SPACE = bytes(16)


def store(cache: Cache[Any, Any], rows: range, cost: float) -> None:
    digests = np.repeat(np.array(rows, np.uint64), 2)
    outputs = np.zeros((len(rows), 8), np.uint8)
    _native.store_rows(cache, SPACE, digests, np.arange(len(rows)), outputs, cost=cost)


def held(cache: Cache[Any, Any], rows: range) -> int:
    digests = np.repeat(np.array(rows, np.uint64), 2)
    missing, _ = _native.find_rows(cache, SPACE, digests, np.empty((len(rows), 8), np.uint8))
    return len(rows) - len(missing)


@pytest.mark.parametrize("weigher", [None, lambda key, value: len(value)])
def test_gdsf_keeps_what_costs_more(weigher: Any) -> None:
    cache: Cache[Any, Any] = Cache(100 if weigher is None else 800, policy="gdsf", weigher=weigher)
    store(cache, range(50), cost=10.0)
    store(cache, range(1000, 1400), cost=0.1)
    assert held(cache, range(50)) == 50
    assert held(cache, range(1000, 1400)) == 50


def test_former_favourites_leave_even_if_they_were_dear() -> None:
    cache: Cache[Any, Any] = Cache(100, policy="gdsf")
    store(cache, range(100), cost=2.0)
    for start in range(1000, 3000, 50):
        rows = range(start, start + 50)
        store(cache, rows, cost=1.0)
        held(cache, rows)  # asked for once more
    assert held(cache, range(100)) < 100
