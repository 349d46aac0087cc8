"""What is made of audits: coverage, bias, and an alarm when intervals hold too seldom."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from augury.answers.audit import Auditor
from augury.answers.region import Dimension
from augury.answers.watch import Audit, Watch

HERE = ((0.0, 0.0),)


def audit(*, held: bool, time: float = 0.0) -> Audit:
    return Audit(HERE, 10.0, 1.0, 10.5 if held else 20.0, time)


def audits_until_alarm(share: float, seed: int, most: int = 3_000) -> int:
    draw = random.Random(seed)
    watch = Watch(0.95)
    for count in range(most):
        if watch.alarm:
            return count
        watch.note(audit(held=draw.random() >= share))
    return most


def test_alarm_is_quick_where_half_miss_and_rare_where_few_do() -> None:
    late = sorted(audits_until_alarm(0.5, seed) for seed in range(100))
    assert late[95] <= 30
    assert sum(audits_until_alarm(0.03, seed) < 3_000 for seed in range(100)) <= 3


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_alarm_works_at_any_confidence(confidence: float) -> None:
    watch = Watch(confidence)
    for _ in range(1_000):
        watch.note(audit(held=True))
    assert not watch.alarm
    for _ in range(100):
        watch.note(audit(held=False))
    assert watch.alarm


def test_since_is_when_misses_began() -> None:
    watch = Watch(0.95)
    watch.note(audit(held=False, time=1.0))
    for at in range(2, 50):
        watch.note(audit(held=True, time=float(at)))
    assert watch.since is None
    for at in range(50, 60):
        watch.note(audit(held=False, time=float(at)))
    assert watch.alarm
    assert watch.since == 50.0


def test_finds_where_estimates_are_off() -> None:
    watch = Watch(0.95)
    for month in range(1, 13):
        for carrier in (0.0, 1.0):
            truth = 10.0 if carrier else 14.0
            box = ((carrier, carrier), (float(month), float(month)))
            watch.note(Audit(box, 10.0, 1.0, truth, 0.0))
    dimensions = [Dimension("carrier", ordered=False), Dimension("month", ordered=True)]
    findings = {each.where: each for each in watch.findings(dimensions, [["UA", "AA"], []])}
    assert findings["carrier UA"].bias == -4.0
    assert findings["carrier UA"].coverage == 0.0
    assert findings["carrier AA"].coverage == 1.0
    assert findings["month up to 4"].audits == 8
    whole = watch.finding()
    assert whole is not None
    assert (whole.audits, whole.coverage, whole.error) == (24, 0.5, 2.0)


def test_infinite_sides_are_parts_too() -> None:
    watch = Watch(0.95)
    for low, high in ((float("-inf"), 3.0), (2.0, float("inf")), (float("-inf"), float("inf"))):
        watch.note(Audit(((low, high),), 1.0, 1.0, 1.0, 0.0))
    assert sum(each.audits for each in watch.findings([Dimension("x", ordered=True)], [[]])) == 3


def test_auditor_does_all_and_survives_errors() -> None:
    done = []

    def fails() -> None:
        raise OSError("down")

    with Auditor() as auditor:
        assert auditor.submit(fails)
        for each in range(5):
            assert auditor.submit(lambda each=each: done.append(each))  # type: ignore[misc]
        assert auditor.wait(10)
        assert done == [0, 1, 2, 3, 4]
    assert not auditor.submit(lambda: None)


def test_auditor_drops_what_a_slow_database_cannot_do() -> None:
    go = threading.Event()
    auditor = Auditor()
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        go.wait()

    auditor.submit(slow)
    begun.wait(10)
    taken = sum(auditor.submit(lambda: None) for _ in range(1_100))
    assert taken == 1_000
    go.set()
    auditor.close()


def test_auditor_begins_anew_in_a_child() -> None:
    auditor = Auditor()
    auditor.submit(lambda: time.sleep(0.2))
    child = os.fork()
    if not child:
        done: list[int] = []
        auditor.submit(lambda: done.append(1))
        auditor.wait(10)
        os._exit(0 if done == [1] else 1)
    assert os.waitpid(child, 0)[1] == 0
    auditor.close()
