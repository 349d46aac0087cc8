"""What goes from memory to the tier below it."""

import pytest

import augury
from augury.errors import ConfigurationError
from augury.tiers import Memory, Predicted, SeenBefore, Tiers
from tests.unit.learnable import popular_and_scans
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held

pytest.importorskip("lightgbm")

SCANNED = 1 << 20


def stored(placement_of_model: bool) -> tuple[int, int]:
    """How many popular and how many scanned keys came to lie in the middle tier."""
    memory = Memory(40, policy="learned", learn=False)
    if placement_of_model:
        memory.cache.use_model(augury.learn(popular_and_scans(20_000), model="gbm"))
    keys = popular_and_scans(6_000, seed=2).tolist()
    middle = Shared()
    tiers: Tiers[int, int] = Tiers(
        [memory, middle, Shared()],
        source=Rows({key: key for key in keys}),
        ttl=600,
        placement=Predicted(memory.cache) if placement_of_model else SeenBefore(),
    )
    for key in keys:
        assert tiers[key] == key
    tiers.close()
    eventually(lambda: not middle.calls or middle.calls[-1] != "set_many", 0.1)
    there = held(middle, *set(keys))
    popular = sum(key < SCANNED for key in there)
    return popular, len(there) - popular


def test_a_model_tells_who_goes_down() -> None:
    popular, scanned = stored(placement_of_model=True)
    assert popular > 50
    assert scanned < popular / 2


def test_without_one_those_go_down_who_left_before() -> None:
    popular, scanned = stored(placement_of_model=False)
    assert popular > 50
    assert scanned == 0, "each is asked for once"


@pytest.mark.parametrize("reach", [0, -1])
def test_a_reach_that_makes_no_sense(reach: float) -> None:
    with pytest.raises(ConfigurationError, match="reach"):
        Predicted(Memory(10).cache, reach)
    with pytest.raises(ConfigurationError, match="keys"):
        SeenBefore(0)
