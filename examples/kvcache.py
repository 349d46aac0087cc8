"""A cache in Redis or Valkey of a few lines: get, set, has_key.

python examples/kvcache.py redis://localhost:6379
"""

import sys

from augury import Tiers
from augury.tiers import Redis


class KVCache:
    def __init__(self, url: str, seconds: float = 300) -> None:
        self._tiers: Tiers[str, object] = Tiers([Redis(url, namespace="example")], ttl=seconds)

    def get(self, key: str) -> object:
        return self._tiers.get(key)

    def set(self, key: str, value: object) -> None:
        self._tiers.set(key, value)

    def has_key(self, key: str) -> bool:
        return key in self._tiers


if __name__ == "__main__":
    cache = KVCache(sys.argv[1])
    cache.set("greeting", {"text": "hello", "times": (1, 2, 3)})
    print(cache.get("greeting"), cache.has_key("greeting"), cache.has_key("farewell"))
