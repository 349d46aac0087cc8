"""What each mode promises, to several processes with a real server that fails in all ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.consistency.clients import KEYS, Plan, Run, history_of, left_in_tier, running
from tests.consistency.history import Operation, linearizable, staleness
from tests.servers.valkey import Valkey, valkey

pytest.importorskip("redis")

PATIENT = 10.0
"""Seconds for a server that does not fail, however busy this machine is."""
HOLD = 0.3
TRACKED = 1.0
"""Seconds after which a tracked read sees a write at the latest, on a machine however busy."""


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.fixture(scope="module")
def truth() -> Iterator[Valkey]:
    """A server that never fails: the source."""
    with valkey() as started:
        yield started


@pytest.fixture
def source(truth: Valkey) -> str:
    truth.ask("FLUSHALL")
    return truth.url


def pauses(server: Valkey, run: Run) -> None:
    server.pause()
    time.sleep(HOLD)
    server.resume()


def restarts(server: Valkey, run: Run) -> None:
    server.kill()
    time.sleep(HOLD)
    server.start()


def loses_connections(server: Valkey, run: Run) -> None:
    for kind in ("normal", "pubsub"):
        server.ask("CLIENT", "KILL", "TYPE", kind)


def loses_a_client(server: Valkey, run: Run) -> None:
    if len(run.processes) > 2:
        run.kill_one()


def nothing_happens(server: Valkey, run: Run) -> None:
    pass


@pytest.fixture(params=[2.0, pytest.param(15.0, marks=pytest.mark.slow)], ids="{}s".format)
def seconds(request: pytest.FixtureRequest) -> float:
    """How long processes run."""
    return float(request.param)


FAULTS = (pauses, restarts, loses_connections, loses_a_client)


def hold(server: Valkey, plan: Plan, fault: Callable[[Valkey, Run], None]) -> None:
    """Let processes run while faults happen, and end without one."""
    with running(plan) as run:
        end = time.monotonic() + plan.seconds - 3 * HOLD
        while time.monotonic() < end:
            time.sleep(HOLD)
            fault(server, run)
            time.sleep(HOLD)


def stale_at_most(plan: Plan, seconds: float, *, forgets: bool = False) -> None:
    no_read_staler(history_of(plan), seconds, forgets=forgets)


def no_read_staler(
    history: dict[str, list[Operation]], seconds: float, *, forgets: bool = False
) -> None:
    reads = 0
    for key, operations in history.items():
        found = staleness(operations, forgets=forgets)
        reads += len(found)
        worst, read = max(found, key=lambda it: it[0])
        assert worst <= seconds * 1e9, f"{key}: {read} is {worst / 1e9} s stale"
    assert reads > 30
    report(history, forgets=forgets)


def report(history: dict[str, list[Operation]], *, forgets: bool) -> None:
    """Print how stale reads were, for information."""
    found = sorted(
        stale for of_key in history.values() for stale, _ in staleness(of_key, forgets=forgets)
    )
    at = {share: found[int(share * (len(found) - 1))] / 1e6 for share in (0.5, 0.99, 0.999, 1.0)}
    print(
        f"{len(found)} reads, {sum(map(len, history.values())) - len(found)} writes;",
        f"{sum(map(bool, found))} stale reads; ms stale at quantiles:",
        ", ".join(f"{share}: {stale:.3f}" for share, stale in at.items()),
    )


def in_order(plan: Plan, *, forgets: bool = False) -> None:
    history = history_of(plan)
    for key, operations in history.items():
        assert linearizable(operations, forgets=forgets), key
    print(f"{sum(map(len, history.values()))} operations in order")


def nothing_old_is_left(plan: Plan) -> None:
    """The rule of leases: what the tier holds is what the source holds."""
    source = plan.open_source()
    assert source is not None
    true = source.load_many(KEYS)
    source.close()
    assert left_in_tier(plan).items() <= true.items()


# validated


def test_validated_reads_have_an_order(
    server: Valkey, source: str, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(
        server.url,
        tmp_path,
        "validated",
        source,
        timeout=PATIENT,
        slow=0.02,
        lease=10.0,
        invalidates=False,
        seconds=seconds,
    )
    hold(server, plan, nothing_happens)
    in_order(plan)
    nothing_old_is_left(plan)


def test_validated_reads_of_a_database_have_an_order(
    server: Valkey, tmp_path: Path, seconds: float
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("PRAGMA journal_mode=WAL"))
        connection.execute(sqlalchemy.text("CREATE TABLE rows (name TEXT PRIMARY KEY, value TEXT)"))
    plan = Plan(
        server.url,
        tmp_path,
        "validated",
        url,
        timeout=PATIENT,
        slow=0.01,
        lease=10.0,
        invalidates=False,
        seconds=seconds,
    )
    hold(server, plan, nothing_happens)
    in_order(plan)
    nothing_old_is_left(plan)


def test_validated_reads_without_a_source_have_an_order(
    server: Valkey, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(server.url, tmp_path, "validated", timeout=PATIENT, seconds=seconds)
    hold(server, plan, nothing_happens)
    # A value that is written while one of its tags is invalidated may be lost with the others.
    in_order(plan, forgets=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_validated_read_is_stale(
    fault: Callable[..., None], server: Valkey, source: str, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(server.url, tmp_path, "validated", source, slow=0.02, seconds=seconds)
    hold(server, plan, fault)
    stale_at_most(plan, 0.0)
    nothing_old_is_left(plan)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_validated_read_without_a_source_is_stale(
    fault: Callable[..., None], server: Valkey, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(server.url, tmp_path, "validated", seconds=seconds)
    hold(server, plan, fault)
    stale_at_most(plan, 0.0, forgets=True)


# tracked


@pytest.mark.parametrize("fault", [nothing_happens, *FAULTS])
def test_tracked_reads_are_hardly_ever_stale_and_never_for_long(
    fault: Callable[..., None], server: Valkey, source: str, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(
        server.url,
        tmp_path,
        "tracked",
        source,
        slow=0.01,
        seconds=seconds,
        writes=0.005,
        writers=1,
        ttl=60.0,
    )
    hold(server, plan, fault)
    stale_at_most(plan, TRACKED)
    nothing_old_is_left(plan)


@pytest.mark.parametrize("fault", [nothing_happens, *FAULTS])
def test_tracked_reads_without_a_source_are_never_stale_for_long(
    fault: Callable[..., None], server: Valkey, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(server.url, tmp_path, "tracked", seconds=seconds, writes=0.005, writers=1, ttl=60.0)
    hold(server, plan, fault)
    stale_at_most(plan, TRACKED, forgets=True)


# ttl


@pytest.mark.parametrize("fault", [nothing_happens, *FAULTS])
def test_ttl_bounds_how_stale_a_read_is(
    fault: Callable[..., None], server: Valkey, source: str, tmp_path: Path, seconds: float
) -> None:
    plan = Plan(
        server.url, tmp_path, "ttl", source, slow=0.01, near_ttl=0.3, writes=0.05, seconds=seconds
    )
    hold(server, plan, fault)
    stale_at_most(plan, 0.3 + 0.2)
    nothing_old_is_left(plan)
