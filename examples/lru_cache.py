"""functools.lru_cache beside the one with Augury's policies.

python examples/lru_cache.py
"""

import functools
import random

from augury.integrations.functools import lru_cache


@functools.lru_cache(maxsize=100)
def square(x: int) -> int:
    return x * x


@lru_cache(maxsize=100)
def same_square(x: int) -> int:
    return x * x


if __name__ == "__main__":
    requests = random.Random(1)
    for _ in range(50):
        popular = [int(requests.paretovariate(0.7)) for _ in range(1_000)]
        # Once in a while somebody looks at everything, which empties a cache of the last 100.
        for x in (*popular, *range(10_000, 10_300)):
            assert square(x) == same_square(x)
    for function in (square, same_square):
        print(function.cache_info())
