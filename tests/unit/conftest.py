"""One session of Spark for all tests that ask for it, with as little Java as will do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from augury.distributed.session import session

# Compiling well takes longer than these tests do.
_SMALL = {
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "SPARK_DRIVER_MEMORY": "640m",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _SMALL.items():
            patch.setitem(os.environ, name, value)
        with session("local[2]") as started:
            yield started
