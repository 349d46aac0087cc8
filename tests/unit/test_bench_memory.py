"""Memory measured in fresh processes."""

import sys
from pathlib import Path

import pytest

from augury.bench import fresh, simulation
from augury.bench.measure import Effort
from augury.errors import AuguryError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ENTRIES = 100_000


def test_a_dict_takes_what_it_says() -> None:
    # A table of hashes, keys and values, some of it free.
    exact = sys.getsizeof(dict.fromkeys(range(ENTRIES)))
    assert fresh.held_memory("dict", ENTRIES) == pytest.approx(exact, rel=0.3)


@pytest.mark.parametrize("contender", ["augury lru", "functools.lru_cache"])
def test_a_cache_takes_no_less_than_its_pointers(contender: str) -> None:
    assert fresh.held_memory(contender, ENTRIES) > 2 * 8 * ENTRIES


@pytest.mark.parametrize("contender", ["augury", "libcachesim"])
def test_a_replay_takes_memory(contender: str) -> None:
    pytest.importorskip("libcachesim")
    trace = simulation._Prepared.load(None, Effort(requests=200_000))
    grown, mapped = fresh.replay_memory(contender, trace.file, "lru", trace.capacity)
    assert 0 <= mapped < grown < 1 << 28


def test_what_goes_wrong_in_the_other_process_is_told(tmp_path: Path) -> None:
    with pytest.raises(AuguryError, match=r"measuring memory of replay augury .* failed"):
        fresh.replay_memory("augury", tmp_path / "absent", "lru", 10)
