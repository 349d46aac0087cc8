"""What `augury bench` measures with: never how long anything takes."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from augury import policies
from augury.bench import Effort, Measurement, Target, find_rows, simulation
from augury.bench.live import _integers, _zipf_requests
from augury.bench.measure import compare, summarise
from augury.bench.peers import Peer, installed, missing, ours
from augury.cli import main
from augury.errors import ConfigurationError

CAPACITY = 50
TINY = Effort(rounds=2, operations=200, entries=2_000, requests=5_000)


class Clock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def test_compare_reports_medians_of_ratios_within_rounds() -> None:
    clock = Clock()
    order: list[tuple[int, str]] = []
    # The machine is ten times slower in the second counted round: no ratio may tell.
    slowness = [7, 1, 10, 1]

    def contender(name: str, cost: int) -> object:
        def run(turn: int) -> None:
            order.append((turn, name))
            clock.now += cost * slowness[turn] * 100

        return run

    runs = {"ours": contender("ours", 3), "theirs": contender("theirs", 4)}
    ours, theirs = compare(
        runs,  # type: ignore[arg-type]
        "theirs",
        rounds=3,
        operations=100,
        clock=clock,
        notes={"ours": lambda: "a note", "theirs": str},
    )
    assert (ours.value, ours.ratio, ours.low, ours.high) == (3, 0.75, 0.75, 0.75)
    assert (theirs.value, theirs.ratio) == (4, 1)
    assert ours.note == "a note"
    # In turns, another one first each time, and one round more than is counted.
    assert order == [
        *((0, "ours"), (0, "theirs"), (1, "theirs"), (1, "ours")),
        *((2, "ours"), (2, "theirs"), (3, "theirs"), (3, "ours")),
    ]


def test_compare_leaves_garbage_collection_as_it_was() -> None:
    import gc

    def fail(turn: int) -> None:
        assert not gc.isenabled()
        raise RuntimeError(turn)

    with pytest.raises(RuntimeError):
        compare({"one": fail}, "one", rounds=1, operations=1)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("target", "ratio", "met"),
    [
        (Target(), 1.0, True),
        (Target(), 1.01, False),
        (Target(0.1), 0.11, False),
        (Target(allowance=32), 1.5, True),
        (Target(allowance=32), 1.6, False),
    ],
)
def test_target(target: Target, ratio: float, met: bool) -> None:
    reference = Measurement("dict", 64, 1, 1, 1)
    assert target.met(Measurement("augury", ratio * 64, ratio, ratio, ratio), reference) is met


def test_a_single_round_is_its_own_summary() -> None:
    assert summarise("x", [3.0], [2.0]) == Measurement("x", 3.0, 1.5, 1.5, 1.5)


def peers() -> list[Peer]:
    return [*ours(), *installed()]


@pytest.mark.parametrize("peer", [p for p in peers() if p.mapping], ids=lambda peer: peer.name)
def test_peer_does_the_same_work_as_the_others(peer: Peer) -> None:
    held, others = _integers(0, CAPACITY), _integers(1000, 1000 + CAPACITY)
    cache = peer.make(CAPACITY)
    peer.write(cache, held)
    peer.read(cache, held + others)
    if peer.name in {"theine", "moka-py"}:  # they store and evict a while later
        assert 0 <= peer.read_or_write(cache, held) <= CAPACITY
        return
    assert peer.read_or_write(cache, held) == 0
    assert peer.read_or_write(cache, _integers(2000, 2000 + 9 * CAPACITY)) == 9 * CAPACITY
    cache = peer.make(CAPACITY)
    assert peer.read_or_write_locked(cache, held + held, threading.Lock()) == CAPACITY


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: peer.name)
def test_peer_memoises(peer: Peer) -> None:
    calls: list[int] = []

    def function(argument: int) -> int:
        calls.append(argument)
        return -argument

    memoised = peer.memoise(function, CAPACITY)
    if memoised is None:
        assert peer.name in {"dict", "lru-dict"}
        return
    assert [memoised(n) for n in (1, 2, 1, 2)] == [-1, -2, -1, -2]
    assert calls == [1, 2]


def test_missing_peers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert {"cachetools", "theine", "libcachesim"} <= set(missing())
    assert not any(row.name.startswith("simulate") for row in find_rows(TINY))


def test_requests_follow_zipfs_law() -> None:
    requests = _zipf_requests(50_000)
    _, counts = np.unique(requests, return_counts=True)
    first, second = sorted(counts.tolist())[:-3:-1]
    assert first / second == pytest.approx(2, rel=0.1)
    assert requests == _zipf_requests(50_000)


@pytest.mark.parametrize(
    "row",
    [r for r in find_rows(TINY) if not r.name.startswith(("simulate", "memory"))],
    ids=lambda row: row.name,
)
def test_live_row(row: object) -> None:
    from augury.bench import Row

    assert isinstance(row, Row)
    measured = {m.contender: m for m in row.measure()}
    assert measured[row.reference].ratio == 1
    live = {f"augury {name}" for name in policies.names(offline=False)}
    assert live - set(measured) == {"augury learned"}  # without a model it is S3-FIFO
    assert all(m.value > 0 and m.low <= m.ratio <= m.high for m in measured.values())


@pytest.mark.parametrize("policy", ["lru", "fifo", "s3fifo"])
def test_both_simulators_replay_the_same_trace(policy: str, tmp_path: Path) -> None:
    pytest.importorskip("libcachesim")
    trace = tmp_path / "keys.txt"
    keys = np.random.default_rng(1).zipf(1.3, 20_000) % 1000
    trace.write_text("".join(f"{key}\n" for key in keys.tolist()))
    prepared = simulation._Prepared.load(trace, TINY)
    ours = simulation.replay_ours(prepared.file, policy, prepared.capacity).miss_ratio
    assert ours == prepared.replay(policy).miss_ratio
    theirs = simulation.replay_theirs(prepared.file, policy, prepared.capacity).miss_ratio
    assert ours == pytest.approx(theirs, abs=1e-9 if policy in {"lru", "fifo"} else 0.005)


def test_only_chooses_rows_by_their_beginning() -> None:
    assert [row.name for row in find_rows(TINY, only=["insert", "memo-s"])] == [
        "insert",
        "memo-small",
    ]
    with pytest.raises(ConfigurationError, match="unknown row 'speed'; there are: hit-str"):
        find_rows(TINY, only=["speed"])


def test_command_line_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--json", "--only", "insert"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in figures["rows"]] == ["insert"]
    for row in figures["rows"]:
        for measured in row["measurements"]:
            assert isinstance(measured["met"], bool) is measured["contender"].startswith("augury")
    assert figures["peers"] is not None
    assert figures["machine"]["processor"]


def test_command_line_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--only", "memo-small"]) == 0
    printed = capsys.readouterr().out
    assert "memo-small" in printed
    assert "functools.lru_cache" in printed
    assert "≤ 0.65x" in printed


def test_command_line_answers_a_mistake_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "speed"]) == 2
    assert capsys.readouterr().err.startswith("augury: unknown row 'speed'; there are: hit-str")
