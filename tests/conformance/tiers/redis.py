import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augury.tiers.redis import Redis
from tests.servers.valkey import shared


@contextmanager
def make(folder: Path) -> Iterator[Redis]:
    # Nothing here is about time, and the machine may be busy.
    tier = Redis(shared().url, namespace=uuid.uuid4().hex, timeout=10.0)
    yield tier
    tier.close()
