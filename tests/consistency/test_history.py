"""The checker of histories: it accepts what is right, and what is wrong it finds."""

import itertools
import random
from pathlib import Path

import pytest

from tests.consistency.history import (
    NEVER,
    Operation,
    Recorder,
    linearizable,
    read_history,
    staleness,
)


def read(value: str | None, begin: int, end: int) -> Operation:
    return Operation("read", "k", value, begin, end)


def write(value: str | None, begin: int, end: int = NEVER) -> Operation:
    return Operation("write", "k", value, begin, end)


RIGHT = {
    "one after the other": [write("a", 0, 1), read("a", 2, 3), write("b", 4, 5), read("b", 6, 7)],
    "nothing at first": [read(None, 0, 1), write("a", 2, 3), read("a", 4, 5)],
    "a read during a write sees either": [
        write("a", 0, 1), write("b", 2, 9), read("b", 3, 4), read("b", 5, 6),
    ],
    "the old value, as long as nobody has seen the new one": [
        write("a", 0, 1), write("b", 2, 9), read("a", 3, 4), read("b", 5, 6),
    ],
    "a write that failed takes effect later": [
        write("a", 0, 1), write("b", 2), write("c", 3, 4), read("c", 5, 6), read("b", 7, 8),
    ],
    "or never": [write("a", 0, 1), write("b", 2), read("a", 90, 91)],
    "a delete": [write("a", 0, 1), write(None, 2, 3), read(None, 4, 5)],
    "a delete that failed": [write("a", 0, 1), write(None, 2), read("a", 4, 5), read(None, 6, 7)],
}  # fmt: skip
WRONG = {
    "a stale read": [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
    "back to the old value during a write": [
        write("a", 0, 1), write("b", 2, 9), read("b", 3, 4), read("a", 5, 6),
    ],
    "a deleted value": [write("a", 0, 1), write(None, 2, 3), read("a", 4, 5)],
    "a lost value": [write("a", 0, 1), read(None, 2, 3)],
    "readers who disagree on an order": [
        write("a", 0, 10), write("b", 0, 10),
        read("a", 11, 12), read("b", 13, 14),
    ],
    "a failed write that comes and goes": [
        write("a", 0, 1), write("b", 2), read("b", 3, 4), read("a", 5, 6),
    ],
}  # fmt: skip


@pytest.mark.parametrize("history", RIGHT.values(), ids=RIGHT)
def test_a_right_history(history: list[Operation]) -> None:
    assert linearizable(history)


@pytest.mark.parametrize("history", WRONG.values(), ids=WRONG)
def test_a_wrong_history(history: list[Operation]) -> None:
    assert not linearizable(history)


def by_trying_all(history: list[Operation]) -> bool:
    for order in itertools.permutations(history):
        value, latest = None, -1
        for it in order:
            if it.end < latest or (it.kind == "read" and it.value != value):
                break
            latest = max(latest, it.begin)
            value = it.value
        else:
            return True
    return False


def test_as_by_trying_all_orders() -> None:
    outcomes = set()
    for seed in range(400):
        dice = random.Random(seed)
        history = []
        for number in range(6):
            begin = dice.randrange(12)
            end = begin + 1 + dice.randrange(6)
            if dice.random() < 0.5:
                history.append(write(str(number), begin, end))
            else:
                history.append(read(dice.choice([None, *"012345"]), begin, end))
        assert linearizable(history) == by_trying_all(history), history
        outcomes.add(linearizable(history))
    assert outcomes == {True, False}


def test_how_stale_a_read_is() -> None:
    history = [
        write("a", 0, 1), write("b", 10, 20), write("c", 30, 40),
        read("a", 15, 16), read("a", 25, 26), read("a", 50, 51), read("b", 50, 51),
        read("c", 50, 51),
    ]  # fmt: skip
    assert [stale for stale, _ in staleness(history)] == [0, 5, 30, 10, 0]
    with pytest.raises(AssertionError, match="nobody had written"):
        staleness([read("x", 0, 1)])


def test_nothing_is_stale_too_unless_tiers_may_forget() -> None:
    history = [write("a", 0, 1), read(None, 5, 6)]
    assert [stale for stale, _ in staleness(history)] == [4]
    assert [stale for stale, _ in staleness(history, forgets=True)] == [0]
    assert linearizable(history, forgets=True)
    assert not linearizable([*history, read("a", 7, 8)], forgets=True)


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "1", 1)
    with recorder.write({"k": "a", "l": "b"}):
        pass
    recorder.read({"k": "a"}, 5)
    with pytest.raises(ValueError, match="killed"), recorder.write({"k": None}):
        raise ValueError("killed")
    history = read_history([tmp_path / "1"])
    assert [(it.kind, it.value, it.end < NEVER) for it in history["l"]] == [("write", "b", True)]
    assert {(it.kind, it.value, it.end < NEVER) for it in history["k"]} == {
        ("write", "a", True), ("read", "a", True), ("write", None, False),
    }  # fmt: skip
