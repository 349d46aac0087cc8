from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augury.tiers import Disk


@contextmanager
def make(folder: Path) -> Iterator[Disk]:
    tier = Disk(folder / "cache", "64MiB")
    yield tier
    tier.close()
