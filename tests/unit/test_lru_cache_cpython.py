"""The cases that CPython has for `functools.lru_cache`, where Python was installed with them."""

from __future__ import annotations

import functools
import unittest
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from augury.integrations import functools as augurys

cpythons: Any = pytest.importorskip("test.test_functools", reason="Python came without its tests")


def module(policy: str) -> Any:
    """Return what stands for the module `functools`."""
    return SimpleNamespace(
        lru_cache=partial(augurys.lru_cache, policy=policy),
        cache=augurys.cache,
        _CacheInfo=augurys.CacheInfo,
        WRAPPER_ASSIGNMENTS=functools.WRAPPER_ASSIGNMENTS,
        partial=partial,
    )


@augurys.lru_cache()
def cached(x: int, y: int) -> int:
    return 3 * x + y


class Methods:
    cached_func = (cached,)

    @augurys.lru_cache()
    def cached_meth(self, x: int, y: int) -> int:
        return 3 * x + y

    @staticmethod
    @augurys.lru_cache()
    def cached_staticmeth(x: int, y: int) -> int:
        return 3 * x + y


class TestCache(cpythons.TestCache, unittest.TestCase):  # type: ignore[misc]
    module = module("auto")


class TestLru(Methods, cpythons.TestLRU, unittest.TestCase):  # type: ignore[misc]
    module = module("lru")


class TestAuto(Methods, cpythons.TestLRU, unittest.TestCase):  # type: ignore[misc]
    module = module("auto")

    def test_lru_method(self) -> None:
        self.skipTest("counts on LRU's order; another policy keeps other results")
