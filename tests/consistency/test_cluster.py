"""What each mode promises where a cluster holds the entries, and loses primaries or moves slots.

Redis and Valkey replicate asynchronously, so that a primary may take with it what it acknowledged
last; `Chaos.with_losses` says which writes that are. Nothing else may be lost or be stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest

from augury.tiers import Entry
from augury.tiers.redis import Redis
from tests.consistency.clients import Plan, history_of, running
from tests.consistency.cluster import Chaos, spread
from tests.consistency.test_promises import TRACKED, no_read_staler, nothing_old_is_left
from tests.servers.process import wait_until
from tests.servers.valkey import Valkey, valkey
from tests.servers.valkey_cluster import ReplicatedCluster, replicated_cluster

pytest.importorskip("redis")

Mode = Literal["ttl", "tracked", "validated"]

NEAR = 0.3
FAULTS = ("moves", "kills", "pauses")
SECONDS = {"moves": 4.0, "kills": 8.0, "pauses": 8.0}
BOUNDS: dict[Mode, float] = {"ttl": NEAR + 0.2, "tracked": TRACKED, "validated": 0.0}
"""Seconds: how stale a read of each mode may be."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ReplicatedCluster]:
    with replicated_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def truth() -> Iterator[Valkey]:
    """A server that never fails: the source."""
    with valkey() as started:
        yield started


@pytest.fixture
def chaos(cluster: ReplicatedCluster) -> Chaos:
    for node in cluster.nodes:
        if cluster.is_primary(node):
            node.ask("FLUSHALL")
    return Chaos(cluster, spread(cluster))


def cases() -> list[Any]:
    """Return every fault in every mode, with and without a source; all but two are slow."""
    quick = {("moves", "validated", True), ("kills", "tracked", False)}
    return [
        pytest.param(*case, marks=[] if case in quick else pytest.mark.slow)
        for case in product(FAULTS, BOUNDS, (True, False))
    ]


def plan_of(chaos: Chaos, folder: Path, mode: Mode, source: str | None, seconds: float) -> Plan:
    url, namespace = chaos.cluster.url, chaos.namespace
    plan = Plan(url, folder, mode, source, namespace=namespace, seconds=seconds, timeout=0.5)
    if mode == "tracked":
        return replace(plan, writes=0.005, writers=1, ttl=60.0)
    return replace(plan, near_ttl=NEAR) if mode == "ttl" else plan


@pytest.mark.parametrize(("fault", "mode", "sourced"), cases())
def test_no_read_is_stale_for_longer_than_promised(
    fault: str, mode: Mode, sourced: bool, chaos: Chaos, truth: Valkey, tmp_path: Path
) -> None:
    source = truth.url if sourced else None
    truth.ask("FLUSHALL")
    plan = plan_of(chaos, tmp_path, mode, source, SECONDS[fault])
    with running(plan):
        getattr(chaos, fault)()
    history = chaos.with_losses(history_of(plan))
    no_read_staler(history, BOUNDS[mode], forgets=source is None)
    if source is not None and not chaos.lost:
        nothing_old_is_left(plan)


def test_whoever_hears_of_writes_does_not_read_from_a_primary_that_was_replaced(
    chaos: Chaos,
) -> None:
    """That one, once it wakes up, answers what was true before, until others tell it."""
    tier = Redis(chaos.cluster.url, namespace=chaos.namespace, timeout=1.0, heartbeat=2.0)
    key = ("", "a")
    tier.set_many({key: Entry("kept")})
    tracking = tier.track()
    assert tracking is not None
    victim = chaos.cluster.primary_of(chaos.slot("a"))
    chaos.cluster.wait_until_following(chaos.cluster.partner_of(victim))

    def trusted() -> bool:
        tracking.poll()
        return tracking.trusted

    wait_until(trusted, "writes are not heard of")
    victim.pause()
    chaos.cluster.wait_for_failover(victim)
    # In this thread nobody has asked the tier anything since.
    wait_until(trusted, "writes are not heard of after a failover")
    held = tier.get_many([key])[key]
    assert isinstance(held, Entry)
    assert held.value == "kept"
    tier.close()
    victim.resume()
    chaos.cluster.wait_until_following(victim)
