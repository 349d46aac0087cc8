"""Three nodes on a Valkey cluster: near caches, and one model from the logs of all.

python examples/cluster.py redis+cluster://10.0.0.1:6379,10.0.0.2:6379

Each node sends a sample of its log's rows, in which no key is; the first to find all samples makes
the model and publishes it, and every node's cache takes it. One process plays all nodes.
"""

import sys

import numpy as np

import augury
from augury.accesslog import Spool, requests_of
from augury.learning import Pooled, pack, prepare, train, unpack
from augury.tiers import Memory, Tiers
from augury.tiers.redis import Exchange, Redis, RedisRegistry

NODES = ("a", "b", "c")


def log_of(node: str) -> list[int]:
    """Return the keys a node was asked for: popular ones, and scans that never come back."""
    random = np.random.default_rng(ord(node))
    requests: list[int] = []
    for scan in range(100):
        requests += (400 * random.random(60) ** 2).astype(int).tolist()
        requests += range(1_000_000 + 60 * scan, 1_000_060 + 60 * scan)
    return requests


def send(url: str, node: str) -> None:
    """Do a node's part: label its own rows, and send them."""
    with Spool(requests_of(log_of(node))) as spool:
        sample = pack(prepare(spool, until=1.0, rows=5_000, name=node))
    exchange = Exchange(url, "rows of today")
    exchange.send(node, sample)
    exchange.close()


def merge(url: str) -> None:
    """Make one model of what all nodes have sent, and publish it."""
    exchange, registry = Exchange(url, "rows of today"), RedisRegistry(url, "shop")
    received = exchange.received()
    pooled = Pooled(tuple(unpack(received[node], node) for node in sorted(received)))
    model, _ = train(pooled, "logistic")
    version = registry.publish(model)
    print(f"model {version.number} is made of {model.card.rows:,} rows of {model.card.data}")
    exchange.clear()
    exchange.close()
    registry.close()


def serve(url: str, node: str) -> None:
    """Use the model: whatever is published later is taken within seconds."""
    registry = RedisRegistry(url, "shop")
    cache: augury.Cache[int, str] = augury.Cache(100, policy="learned", model=registry, learn=False)
    for key in log_of(node):
        cache.get_or_load(key, str)
    plain: augury.Cache[int, str] = augury.Cache(100, policy="lru")
    for key in log_of(node):
        plain.get_or_load(key, str)
    print(
        f"node {node}: {cache.stats().miss_ratio:.0%} missed with the model, "
        f"{plain.stats().miss_ratio:.0%} by LRU"
    )
    if cache.learner is not None:
        cache.learner.close()
    registry.close()


def main() -> None:
    url = sys.argv[1]
    for node in NODES:
        send(url, node)
    merge(url)
    for node in NODES:
        serve(url, node)
    stores = [Redis(url, namespace="shop") for _ in range(2)]
    with (
        Tiers[str, str]([Memory(1_000), stores[0]], consistency="tracked") as one,
        Tiers[str, str]([Memory(1_000), stores[1]], consistency="tracked") as other,
    ):
        one["greeting"] = "hello"
        print(other["greeting"])


if __name__ == "__main__":
    main()
