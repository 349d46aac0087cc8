"""A registry keeps versions, swaps the current one as a whole, and finds the way back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from augury.errors import ArtefactError, ConfigurationError
from augury.models import Registry
from tests.unit.test_artefact import linear


def bias(registry: Registry, number: int | None = None) -> float:
    return float(registry.load(number).arrays["bias"][0])


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models" / "mine")


def publish(registry: Registry, *biases: float) -> None:
    for each in biases:
        registry.publish(linear(bias=np.array([each], np.float32)))


def test_the_newest_is_current(registry: Registry) -> None:
    assert registry.current() is None
    publish(registry, 1, 2)
    assert [(v.number, v.current) for v in registry.versions()] == [(1, False), (2, True)]
    assert registry.current() == registry.versions()[-1]
    assert (bias(registry), bias(registry, 1)) == (2, 1)
    assert bias(Registry(registry.folder)) == 2


def test_rolls_back_step_by_step_and_goes_on(registry: Registry) -> None:
    publish(registry, 1, 2, 3)
    assert registry.rollback().number == 2
    assert registry.rollback().number == 1
    with pytest.raises(ArtefactError, match="no version was current before"):
        registry.rollback()
    assert bias(registry) == 1
    publish(registry, 4)
    assert registry.current().number == 4  # type: ignore[union-attr]
    assert registry.rollback().number == 1  # what was current before, not what was published before


def test_prunes_but_for_what_is_needed(registry: Registry) -> None:
    publish(registry, 1, 2, 3, 4, 5)
    registry.rollback()
    registry.rollback()  # 3 is current, 2 was before
    assert registry.prune(keep=1) == [1, 4]
    assert [v.number for v in registry.versions()] == [2, 3, 5]
    assert registry.rollback().number == 2
    with pytest.raises(ArtefactError):
        registry.rollback()
    with pytest.raises(ConfigurationError, match="keep"):
        registry.prune(keep=0)


def test_prunes_what_killed_writers_left(registry: Registry) -> None:
    registry.publish(linear())
    left = [registry.folder / name for name in (".augury-abc", ".current-abc")]
    for path in left:
        path.write_bytes(b"AUGU")
    registry.prune()
    assert not any(path.exists() for path in left)
    assert registry.load().kind == "linear"


def test_a_number_is_not_given_twice(registry: Registry) -> None:
    publish(registry, 1, 2)
    registry.rollback()
    publish(registry, 3)
    assert [v.number for v in registry.versions()] == [1, 2, 3]


def test_says_what_is_not_there(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="has no model yet"):
        registry.load()
    publish(registry, 1)
    with pytest.raises(ArtefactError, match="has no version 7"):
        registry.load(7)
    (registry.folder / "current").write_text("what?")
    with pytest.raises(ArtefactError, match="is damaged"):
        registry.load()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is a file"):
        Registry(tmp_path / "file")


def test_readers_see_one_version_or_another_while_writers_take_turns(registry: Registry) -> None:
    publish(registry, 0)
    done = threading.Event()
    seen: list[float] = []

    def read() -> None:
        while not done.is_set():
            seen.append(bias(registry))

    with ThreadPoolExecutor(5) as threads:
        reader = threads.submit(read)
        for written in [threads.submit(publish, registry, *range(1, 9)) for _ in range(4)]:
            written.result()
        done.set()
        reader.result()
    assert [v.number for v in registry.versions()] == list(range(1, 34))
    assert set(seen) <= set(range(9))


def test_a_version_that_waits_is_activated_later(registry: Registry) -> None:
    publish(registry, 1)
    waits = registry.publish(linear(bias=np.array([2], np.float32)), activate=False)
    assert (waits.number, waits.current) == (2, False)
    assert bias(registry) == 1
    assert registry.activate(2).current
    assert registry.activate(2).number == 2
    assert bias(registry) == 2
    assert registry.rollback().number == 1
    with pytest.raises(ArtefactError, match="no version 3"):
        registry.activate(3)


def test_the_first_version_may_wait(registry: Registry) -> None:
    registry.publish(linear(bias=np.array([1], np.float32)), activate=False)
    assert registry.current() is None
    assert registry.publish(linear(bias=np.array([2], np.float32)), activate=False).number == 2
    assert registry.activate(1) == registry.current()
