"""A breaker counts failures in a row, rests, and tries one at a time."""

import os
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.breaker import Breaker, BreakerState
from augury.errors import ConfigurationError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> Breaker:
    breaker = Breaker(3, 5.0, clock)
    for _ in range(3):
        breaker.failed()
    return breaker


def test_stays_closed_unless_failures_are_in_a_row(clock: Clock) -> None:
    breaker = Breaker(3, 5.0, clock)
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.allows()
    assert breaker.state is BreakerState.CLOSED


def test_rests_then_tries_one_at_a_time(opened: Breaker, clock: Clock) -> None:
    assert not opened.allows()
    clock.now += 4.999
    assert not opened.allows()
    assert str(opened.state) == "open"
    clock.now += 0.001
    assert str(opened.state) == "half-open"
    assert opened.allows()
    assert not opened.allows()
    assert str(opened.state) == "half-open"
    opened.succeeded()
    assert opened.allows()
    assert str(opened.state) == "closed"


def test_a_failed_trial_is_another_rest(opened: Breaker, clock: Clock) -> None:
    clock.now += 5
    assert opened.allows()
    opened.failed()
    assert opened.state is BreakerState.OPEN
    clock.now += 4
    assert not opened.allows()
    clock.now += 1
    assert opened.allows()


def test_calls_begun_before_change_no_rest(opened: Breaker, clock: Clock) -> None:
    opened.succeeded()
    clock.now += 3
    opened.failed()
    assert opened.state is BreakerState.OPEN
    clock.now += 2
    assert opened.allows()


def test_a_trial_that_never_ends_blocks_no_other_for_ever(opened: Breaker, clock: Clock) -> None:
    clock.now += 5
    assert opened.allows()
    clock.now += 5
    assert opened.allows()


def test_many_threads_make_one_trial(opened: Breaker, clock: Clock) -> None:
    clock.now += 5
    allowed: list[bool] = []
    together = threading.Barrier(16)

    def ask() -> None:
        together.wait()
        allowed.append(opened.allows())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1


@given(st.lists(st.sampled_from(["failed", "succeeded", "ask", "wait"])))
def test_failures_in_a_row_open_it_and_nothing_else(steps: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(2, 10, clock)
    for step in steps:
        before = breaker.state
        if step == "wait":
            clock.now += 10
        elif step == "ask":
            allowed = breaker.allows()
            assert allowed or before is not BreakerState.CLOSED
            assert not (allowed and before is BreakerState.OPEN)
        else:
            getattr(breaker, step)()
        after = breaker.state
        if after is BreakerState.OPEN and before is not BreakerState.OPEN:
            assert step == "failed"
        if after is BreakerState.CLOSED and before is not BreakerState.CLOSED:
            assert step == "succeeded"


def in_child(check: Callable[[], bool]) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if check() else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_waits_for_no_lock_and_no_trial_of_its_parent(
    opened: Breaker, clock: Clock
) -> None:
    clock.now += 5
    assert opened.allows()
    with opened._lock:
        assert in_child(lambda: opened.allows() and not opened.allows())


@pytest.mark.parametrize("failures", [0, -1, True, 1.5, "2"])
def test_failures_must_be_positive(failures: int) -> None:
    with pytest.raises(ConfigurationError, match="failures must be a positive integer"):
        Breaker(failures)


@pytest.mark.parametrize("rest", [-1, float("nan"), "1"])
def test_rest_must_be_seconds(rest: float) -> None:
    with pytest.raises(ConfigurationError, match="rest must be seconds"):
        Breaker(rest=rest)
