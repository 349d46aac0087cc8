"""Models change in a running cache: at once, and nothing else changes with them."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest

from augury import Cache, policies
from augury.errors import ArtefactError, ConfigurationError
from tests.unit.test_artefact import F, linear

FIXED = [name for name in policies.names(offline=False) if not policies.describe(name).learns]


def test_a_model_is_what_was_given() -> None:
    cache: Cache[int, int] = Cache(10, policy="learned")
    model = linear()
    cache.use_model(model)
    assert cache.model is model
    cache.clear()
    assert cache.model is model
    cache.use_model(None)
    assert cache.model is None


def test_a_path_is_read(tmp_path: Path) -> None:
    linear(bias=np.array([3], np.float32)).save(tmp_path / "m")
    cache: Cache[int, int] = Cache(10, policy="learned")
    cache.use_model(tmp_path / "m")
    assert cache.model.arrays["bias"] == 3
    cache.use_model(str(tmp_path / "m"))


@pytest.mark.parametrize("policy", FIXED)
def test_policies_without_a_use_for_it_refuse_one(policy: str) -> None:
    cache: Cache[int, int] = Cache(10, policy=policy)
    with pytest.raises(ConfigurationError, match="no use for a model; choose one that has"):
        cache.use_model(linear())
    assert cache.model is None


def test_bad_models_leave_the_former_in_use(tmp_path: Path) -> None:
    cache: Cache[int, int] = Cache(10, policy="learned")
    model = linear()
    cache.use_model(model)
    content = bytearray(model.to_bytes())
    content[-50] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(ArtefactError, match="is damaged"):
        cache.use_model(tmp_path / "damaged")
    with pytest.raises(FileNotFoundError):
        cache.use_model(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError):
        cache.use_model(3)  # type: ignore[arg-type]
    with pytest.raises(ArtefactError):  # found out as it is built
        cache.use_model(linear(bias=np.array([np.nan], np.float32)))
    shorter = {name: np.ones(F - 1, np.float32) for name in ("weights", "mean", "scale")}
    with pytest.raises(ConfigurationError, match="other features"):
        cache.use_model(linear(**shorter))
    assert cache.model is model


def test_threads_read_and_write_while_models_change() -> None:
    cache: Cache[int, int] = Cache(200, policy="learned")
    stop = threading.Event()
    wrong: list[object] = []

    def serve(seed: int) -> None:
        draw = random.Random(seed)
        try:
            while not stop.is_set():
                for _ in range(200):
                    key = int(1_000 * draw.random() ** 3)
                    value = cache.get(key)
                    if value is None:
                        cache[key] = key
                    elif value != key:
                        wrong.append((key, value))
        except Exception as error:
            wrong.append(error)

    def swap(seed: int) -> None:
        models = [None, *(linear(bias=np.array([seed + i], np.float32)) for i in range(3))]
        try:
            for i in range(500):
                cache.use_model(models[i % 4])
                if i % 100 == 99:
                    cache.clear()
        except Exception as error:
            wrong.append(error)

    servers = [threading.Thread(target=serve, args=(seed,)) for seed in range(3)]
    swappers = [threading.Thread(target=swap, args=(seed,)) for seed in range(2)]
    for thread in servers + swappers:
        thread.start()
    for thread in swappers:
        thread.join()
    stop.set()
    for thread in servers:
        thread.join()
    assert not wrong
    cache.validate()


def test_a_cache_that_its_model_refers_to_is_collected() -> None:
    import gc
    import weakref

    cache: Cache[int, int] = Cache(10, policy="learned")
    model = linear()
    model.explanation["cache"] = cache  # type: ignore[index]
    cache.use_model(model)
    gone = weakref.ref(cache)
    del cache, model
    gc.collect()
    assert gone() is None
