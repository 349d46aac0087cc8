"""Looking rows up stops where it does not pay, costs little then, and begins again."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury import Cache
from augury.errors import InputError, OutputError
from augury.inference import CachedModel
from augury.inference.bypass import Bypass

SEARCH, GLANCE = 1e-6, 5e-8  # seconds a row
BATCH = 256


class World:
    """Batches as a cached model would see them, on a clock of its own."""

    def __init__(self, model: float) -> None:
        self.bypass = Bypass()
        self.model = model  # seconds a row
        self.spent = self.bare = 0.0

    def run(self, batches: int, repeated: float) -> float:
        """Ask for batches, of whose rows so many were stored; return seconds per bare second."""
        self.spent = self.bare = 0.0
        for _ in range(batches):
            self.batch(int(BATCH * repeated))
        return self.spent / self.bare

    def batch(self, repeated: int) -> None:
        bypass = self.bypass
        if not bypass.looks_up and not bypass.glances():
            self.note(computed=BATCH)
        elif bypass.looks_up or 2 * repeated >= BATCH:
            self.note(searched=BATCH, hits=repeated, computed=BATCH - repeated)
        else:
            self.note(
                searched=repeated, hits=repeated, computed=BATCH - repeated, glance=GLANCE * BATCH
            )

    def note(self, *, searched: int = 0, hits: int = 0, computed: int, glance: float = 0.0) -> None:
        search, model = SEARCH * searched, self.model * computed
        self.bypass.note(
            BATCH,
            searched=searched,
            hits=hits,
            computed=computed,
            search=search,
            model=model,
            glance=glance,
        )
        self.spent += search + model + glance
        self.bare += self.model * BATCH


def looks_up(world: World) -> bool:
    return world.bypass.looks_up


def test_expensive_models_are_looked_up_whenever_rows_repeat() -> None:
    world = World(model=1e-3)
    world.run(100, repeated=0.01)
    assert looks_up(world)
    assert world.run(100, repeated=0.5) < 0.51


def test_without_repeats_it_stops_soon_and_costs_little() -> None:
    world = World(model=5e-6)
    world.run(2, repeated=0)
    assert not looks_up(world)
    world.run(100, repeated=0)
    assert world.run(1000, repeated=0) < 1.006


def test_cheap_models_are_left_alone_even_where_all_repeats() -> None:
    world = World(model=1e-8)
    world.run(2000, repeated=0.9)
    assert not looks_up(world)
    assert world.run(2000, repeated=0) < 1.05


@pytest.mark.parametrize("quiet", [10, 1000, 20_000])
def test_it_begins_again_when_rows_repeat(quiet: int) -> None:
    world = World(model=1e-5)
    world.run(quiet, repeated=0)
    assert not looks_up(world)
    world.run(2000, repeated=0.9)
    assert looks_up(world)
    assert world.run(100, repeated=0.9) < 0.25


def test_it_does_not_waver_where_it_just_pays() -> None:
    world = World(model=1e-5)
    decisions = []
    for _ in range(500):
        world.batch(BATCH // 5)  # saves twice of what it costs
        decisions.append(world.bypass.looks_up)
    assert all(decisions)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1e-9, 1e-2),
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=1, max_size=8),
)
def test_it_never_costs_much_more_than_the_dearer_way(
    model: float, phases: list[tuple[int, float]]
) -> None:
    world = World(model)
    for batches, repeated in phases:
        world.run(batches, repeated)
        assert world.spent <= world.bare + (SEARCH + GLANCE) * BATCH * batches + 1e-9
        assert 1 <= world.bypass._every <= 256


Array = NDArray[Any]


def unseen(model: Any) -> CachedModel:
    """Return a cached model that does not even glance at its next batch."""
    cached = CachedModel(model, Cache(500))
    bypass = cached._main._bypass
    assert bypass is not None
    bypass.looks_up, bypass._every = False, 256
    return cached


def test_functions_get_arrays_also_where_nobody_looks() -> None:
    assert unseen(lambda rows: rows.sum(axis=1))([[1.0, 2.0]]).tolist() == [3.0]
    assert unseen(lambda texts: [len(each) for each in texts])(["a", "bc"]).tolist() == [1, 2]
    with pytest.raises(InputError, match="ragged"):
        unseen(np.negative)([[1], [2, 3]])


@pytest.mark.parametrize(
    ("function", "said"), [(np.sum, "a single value for 2"), (lambda rows: rows[1:], "1 rows")]
)
def test_wrong_outputs_are_told_also_where_nobody_looks(function: Any, said: str) -> None:
    with pytest.raises(OutputError, match=said):
        unseen(function)(np.ones((2, 2)))


@pytest.mark.parametrize("decimals", [None, 1])
def test_a_glance_remembers_what_it_saw(
    decimals: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = CachedModel(np.negative, Cache(500), decimals=decimals)
    bypass = cached._main._bypass
    assert bypass is not None
    rows, screened = np.arange(30.0)[:, None], []
    original = bypass.doorkeeper

    class Counting:
        def screen(self, rows: Array) -> Array:
            screened.append(len(rows))
            return original.screen(rows)

    monkeypatch.setattr(bypass, "_doorkeeper", Counting())
    near = 0.0 if decimals is None else 0.01
    for step in range(4):
        bypass.looks_up = False
        cached(rows + step * near)
    # What comes again is looked up at the second glance, and is there at the next.
    assert screened == [30] * 4
    assert cached.stats.computed == 60


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60), st.booleans())
def test_answers_are_right_in_every_state(steps: list[tuple[bool, int]], verify: bool) -> None:
    def model(rows: Array) -> Array:
        return rows[:, 0] * 2

    cached = CachedModel(model, Cache(500), verify="row" if verify else "digest")
    bypass = cached._main._bypass
    assert bypass is not None
    for looks_up, start in steps:
        bypass.looks_up = looks_up
        rows = np.arange(start, start + 30)[:, None] % 45
        np.testing.assert_array_equal(cached(rows), model(rows))
    stats = cached.stats
    assert stats.rows == 30 * len(steps) == stats.hits + stats.duplicates + stats.computed


def test_a_doorkeeper_finds_what_repeats() -> None:
    random = np.random.default_rng(1)
    doorkeeper = Bypass().doorkeeper
    first, second = (random.integers(0, 256, (500, 40), np.uint8) for _ in range(2))
    assert len(doorkeeper.screen(first)) == 0
    mixed = np.concatenate([second[:100], first[:50], second[100:101], second[100:101]])
    np.testing.assert_array_equal(doorkeeper.screen(mixed), np.arange(100, 152))
    assert len(doorkeeper.screen(np.zeros((0, 40), np.uint8))) == 0


def test_threads_share_it() -> None:
    cached = CachedModel(np.negative, Cache(1000))
    rows = np.arange(300)[:, None]

    def ask(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(100):
            chosen = rows[random.integers(0, 300, 64)]
            np.testing.assert_array_equal(cached(chosen), -chosen)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = cached.stats
    assert stats.rows == 4 * 100 * 64 == stats.hits + stats.duplicates + stats.computed
