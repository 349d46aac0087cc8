import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augury.tiers.memcached import Memcached
from tests.servers.memcached import shared_servers


@contextmanager
def make(folder: Path) -> Iterator[Memcached]:
    addresses = [server.address for server in shared_servers(2)]
    # Nothing here is about time, and the machine may be busy.
    tier = Memcached(addresses, namespace=uuid.uuid4().hex, timeout=10.0)
    yield tier
    tier.close()
