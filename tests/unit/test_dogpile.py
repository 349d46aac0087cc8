"""The backend for dogpile.cache passes dogpile's own cases, in memory and in tiers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("dogpile.cache")
pytest.importorskip("redis")

from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from dogpile.testing.fixtures import _GenericBackendTestSuite

import augury.integrations.dogpile  # noqa: F401 - registers the backend
from augury import Cache, Tiers
from augury.errors import ConfigurationError
from augury.tiers import Memory, Redis
from tests.servers import valkey


@pytest.mark.slow
class TestBackend(_GenericBackendTestSuite):  # type: ignore[misc]
    backend = "augury"
    config_args: ClassVar = {"arguments": {"capacity": 100}}


@pytest.mark.slow
class TestTiers(_GenericBackendTestSuite):  # type: ignore[misc]
    backend = "augury"

    @classmethod
    def setup_class(cls) -> None:
        cls.tiers = Tiers[Any, Any](
            [Memory(100), Redis(valkey.shared().url, namespace="dogpile")], consistency="tracked"
        )
        cls.config_args = {"arguments": {"cache": cls.tiers}}
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        cls.tiers.close()


def test_is_bounded_and_forgets() -> None:
    region = make_region().configure(
        "augury", arguments={"capacity": 10, "policy": "lru", "ttl": 0.1}
    )
    region.set_multi({f"key {number}": number for number in range(50)})
    keys = [f"key {number}" for number in range(50)]
    assert region.get_multi(keys) == [NO_VALUE] * 40 + list(range(40, 50))
    threading.Event().wait(0.2)
    assert region.get("key 49") is NO_VALUE


def test_decorated_functions_remember() -> None:
    calls = []
    region = make_region().configure("augury", arguments={"cache": Cache(100)})

    def call(x: int) -> int:
        calls.append(x)
        return 2 * x

    double = region.cache_on_arguments()(call)
    assert (double(2), double(2), calls) == (4, 4, [2])
    double.invalidate(2)
    assert (double(2), calls) == (4, [2, 2])


def test_values_in_a_shared_tier_need_no_pickle(tmp_path: Path) -> None:
    with Tiers[Any, Any]([Redis(valkey.shared().url, namespace=tmp_path.name)]) as tiers:
        region = make_region().configure("augury", arguments={"cache": tiers})
        region.set("key", {"a": (1, {2})})
        assert region.get("key") == {"a": (1, {2})}


@pytest.mark.parametrize("odd", [{"policy": "odd"}, {"cache": {}}, {"capacity": 0}])
def test_refuses_odd_arguments(odd: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make_region().configure("augury", arguments=odd)
