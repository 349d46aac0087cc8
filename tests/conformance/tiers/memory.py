from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augury.tiers import Memory


@contextmanager
def make(folder: Path) -> Iterator[Memory]:
    tier = Memory(10_000)
    yield tier
    tier.close()
