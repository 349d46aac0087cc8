"""When a learner looks and trains: seldom while nothing changes, and always within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from augury.learning.schedule import LEAST, MOST, Schedule


@given(st.lists(st.sampled_from(["looked", "trained", "idle", "changed"]), max_size=60))
def test_never_goes_back_and_never_gives_up(outcomes: list[str]) -> None:
    schedule, served, window = Schedule(1_000), 0, 1_000
    for outcome in outcomes:
        served = max(served, schedule.start_at) + window
        if outcome == "looked":
            schedule.looked(served, window)
        elif outcome == "changed":
            schedule.changed(served, window)
            assert schedule.start_at == served
        else:
            schedule.trained(served, window, idle=outcome == "idle")
            assert schedule.train_at >= served + window
        assert served <= schedule.start_at <= served + 256 * window
        assert schedule.train_at <= served + 256 * window


def test_rests_longer_and_longer() -> None:
    schedule, served, gaps = Schedule(1_000), 0, []
    for _ in range(12):
        schedule.trained(served, 1_000, idle=True)
        gaps.append(schedule.train_at - served)
        served = schedule.start_at
    assert gaps[:4] == [1_000, 2_000, 4_000, 8_000]
    assert gaps[-1] == 256_000
    schedule.changed(served, 1_000)
    assert schedule.start_at == served


@given(st.integers(1, 1 << 40))
def test_windows_are_bounded(capacity: int) -> None:
    schedule = Schedule()
    limit = schedule.limit(capacity)
    assert LEAST <= limit <= MOST
    assert schedule.is_enough(limit, 0, capacity, capacity)
    assert not schedule.is_enough(LEAST - 1, 1 << 50, 1, capacity)


def test_a_window_ends_when_entries_have_changed_several_times_over() -> None:
    schedule = Schedule()
    assert not schedule.is_enough(30_000, 7_999, 1_000, 1_000)
    assert schedule.is_enough(30_000, 8_000, 1_000, 1_000)
    schedule.trained(30_000, 30_000, idle=True)
    assert not schedule.is_enough(30_000, 8_000, 1_000, 1_000)
    assert schedule.is_enough(60_000, 16_000, 1_000, 1_000)


def test_waits_until_the_cache_holds_what_it_wants_to_keep() -> None:
    schedule = Schedule()
    assert not schedule.is_settled(0, 0, 0, 1_000)
    assert not schedule.is_settled(30_000, 7_999, 1_000, 1_000)
    assert schedule.is_settled(30_000, 8_000, 1_000, 1_000)
    assert schedule.is_settled(schedule.limit(1_000), 10, 1_000, 1_000)
    assert Schedule(1_000).is_settled(0, 0, 0, 1_000)


def test_starts_anew_when_the_statistics_do() -> None:
    schedule = Schedule()
    schedule.trained(10**9, 20_000, idle=True)
    schedule.restart()
    assert schedule.start_at == schedule.train_at == 0
