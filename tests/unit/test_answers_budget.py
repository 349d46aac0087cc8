"""The file of privacy budgets: what is spent stays spent, whatever happens."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.answers.privacy.budget import Budget, Loss
from augury.errors import BudgetError, ConfigurationError

TENANTS = {"acme": Loss(1.0, delta=1e-6), "other": Loss(0.5)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget"


@pytest.fixture
def budget(path: Path) -> Budget:
    return Budget.create(path, TENANTS)


def spend(budget: Budget, number: int, loss: Loss, tenant: str = "acme") -> bytes:
    return budget.publish(tenant, str(number).encode(), loss, b"answer %d" % number)


def test_losses_add_up(budget: Budget) -> None:
    for number in range(10):
        assert spend(budget, number, Loss(0.1, delta=1e-7)) == b"answer %d" % number
    assert budget.left("acme") == (0.0, 0.0)  # ten tenths are one, unlike those of floats
    with pytest.raises(BudgetError, match=r"has epsilon 0 left, and this needs epsilon 1e-09"):
        spend(budget, 10, Loss(1e-9))
    assert budget.left("other") == (0.5, 0.0)


def test_delta_runs_out_by_itself(budget: Budget) -> None:
    told = r"has epsilon 0\.4 left|has epsilon 0\.5 and delta 0 left, and this needs .* delta 1e-09"
    with pytest.raises(BudgetError, match=told):
        spend(budget, 1, Loss(0.1, delta=1e-9), "other")
    spend(budget, 1, Loss(0.1, delta=1e-6))
    with pytest.raises(BudgetError, match="delta 0 left"):
        spend(budget, 2, Loss(0.1, delta=1e-15))


def test_an_answer_is_given_once(budget: Budget) -> None:
    loss = Loss(0.4)
    assert budget.publish("acme", b"q", loss, b"first") == b"first"
    for _ in range(100):
        assert budget.publish("acme", b"q", loss, b"second") == b"first"
    assert budget.published("acme", b"q") == b"first"
    assert budget.published("other", b"q") is None
    assert budget.left("acme")[0] == 0.6


def test_a_restart_gives_nothing_back(budget: Budget, path: Path) -> None:
    spend(budget, 1, Loss(0.7))
    again = Budget(path, TENANTS)
    assert again.left("acme")[0] == 0.3
    with pytest.raises(BudgetError):
        spend(again, 2, Loss(0.7))
    assert again.published("acme", b"1") == b"answer 1"


def test_a_lower_total_is_never_negative(budget: Budget, path: Path) -> None:
    spend(budget, 1, Loss(0.7))
    lower = Budget(path, {"acme": 0.5})
    assert lower.left("acme") == (0.0, 0.0)
    with pytest.raises(BudgetError, match="has epsilon 0 left"):
        spend(lower, 2, Loss(0.1))


def test_others_have_none(budget: Budget) -> None:
    with pytest.raises(BudgetError, match="tenant 'acme ' has no privacy budget"):
        spend(budget, 1, Loss(0.1), "acme ")
    assert budget.left("ACME") == (0.0, 0.0)


ODD = [
    "'; DROP TABLE entry; --",
    "../../etc",
    "%00",
    "null",
    "NaN",
    "é",
    "e\u0301",
    "東京",
    " ",
    "a" * 200,
]


def test_odd_names_are_names(path: Path) -> None:
    budget = Budget.create(path, dict.fromkeys(ODD, 1.0))
    for number, tenant in enumerate(ODD):
        spend(budget, 1, Loss((number + 1) / 100), tenant)
    again = Budget(path, dict.fromkeys(ODD, 1.0))
    assert [again.left(tenant)[0] for tenant in ODD] == [
        pytest.approx(1 - (number + 1) / 100) for number in range(len(ODD))
    ]


@pytest.mark.parametrize(
    "odd", ["", "a\0b", "a\nb", "\ud800", "\u200b", "a" * 201, None, 5, b"acme"]
)
def test_refuses_names(path: Path, odd: Any) -> None:
    with pytest.raises(ConfigurationError, match="tenant"):
        Budget.create(path, {odd: 1.0})


@pytest.mark.parametrize(
    "odd",
    [
        *(0, -1, math.nan, math.inf, 1e300, 10**400, True, "1", None),
        *((0.1, math.nan), (0.1, -1), (0.1, 1), (0.1, "0"), (0.1, True), (math.nan, 0.1)),
    ],
)
def test_refuses_losses(odd: Any) -> None:
    with pytest.raises(ConfigurationError):
        Loss(*odd if isinstance(odd, tuple) else (odd,))


def test_is_made_once(budget: Budget, path: Path) -> None:
    spend(budget, 1, Loss(0.7))
    with pytest.raises(BudgetError, match="no privacy budget can be made at"):
        Budget.create(path, TENANTS)
    assert Budget(path, TENANTS).left("acme")[0] == 0.3


def test_a_file_that_is_gone_is_not_made_anew(budget: Budget, path: Path) -> None:
    spend(budget, 1, Loss(0.7))
    path.unlink()
    for refused in (lambda: spend(budget, 2, Loss(0.1)), lambda: Budget(path, TENANTS)):
        with pytest.raises(BudgetError, match="cannot be used"):
            refused()
    assert not path.exists()


def test_an_older_copy_is_seen_while_it_runs(budget: Budget, path: Path, tmp_path: Path) -> None:
    spend(budget, 1, Loss(0.1))
    shutil.copy(path, tmp_path / "copy")
    spend(budget, 2, Loss(0.6))
    shutil.copy(tmp_path / "copy", path)
    with pytest.raises(BudgetError, match="damaged"):
        spend(budget, 3, Loss(0.6))


def test_every_damage_is_refused(path: Path) -> None:
    budget = Budget.create(path, TENANTS)
    for number in range(4):
        spend(budget, number, Loss(0.1))
    whole = path.read_bytes()
    accepted = 0
    for at in range(0, len(whole), 61):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        try:
            # What neither SQLite nor we read may be anything; what is read has to be right.
            assert Budget(path, TENANTS).left("acme")[0] == 0.6
            accepted += 1
        except BudgetError:
            pass
    assert accepted < len(whole) / 61
    for length in (0, 1, 99, 4_096, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BudgetError):
            Budget(path, TENANTS)
    path.write_bytes(os.urandom(len(whole)))
    with pytest.raises(BudgetError):
        Budget(path, TENANTS)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET epsilon = 0",
        "UPDATE entry SET tenant = 'other'",
        "UPDATE entry SET answer = x'00' WHERE number = 2",
        "UPDATE entry SET question = x'00' WHERE number = 2",
        "DELETE FROM entry",
        "DELETE FROM entry WHERE number = 3",
        "DELETE FROM entry WHERE number = 1",
        "UPDATE head SET number = 2",
        "DELETE FROM head",
        "INSERT INTO entry SELECT 4, tenant, x'09', 0, delta, answer, chain FROM entry LIMIT 1",
        "DROP TABLE head",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 7",
    ],
)
def test_every_change_is_refused(budget: Budget, path: Path, change: str) -> None:
    for number in range(3):
        spend(budget, number, Loss(0.1))
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(BudgetError):
        Budget(path, TENANTS)


def test_another_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "odd")
    connection.execute("CREATE TABLE entry (number)")
    connection.commit()
    connection.close()
    with pytest.raises(BudgetError, match="no privacy budget, or one of another version"):
        Budget(tmp_path / "odd", TENANTS)


def test_threads_spend_no_more_than_there_is(budget: Budget) -> None:
    given = []

    def asks(which: int) -> None:
        for number in range(10):
            with suppress(BudgetError):
                given.append(spend(budget, which * 100 + number, Loss(0.05)))

    threads = [threading.Thread(target=asks, args=(which,)) for which in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 20
    assert budget.left("acme")[0] == 0.0


SPENDER = """
import sys
from augury.answers.privacy.budget import Budget, Loss
from augury.errors import BudgetError
path, who, shared = sys.argv[1:]
budget = Budget(path, {"acme": 3.0})
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    try:
        question = f"{'' if shared == 'same' else who} {number}".encode()
        told = budget.publish("acme", question, Loss(0.1), f"{who} {number}".encode())
    except BudgetError:
        print("refused", flush=True)
    else:
        print(number, told.decode(), flush=True)
"""


def spender(path: Path, who: str, shared: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SPENDER, str(path), who, shared],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("shared", ["same", "other"])
def test_processes_spend_no_more_than_there_is(path: Path, shared: str) -> None:
    budget = Budget.create(path, {"acme": 3.0})
    processes = [spender(path, who, shared) for who in ("one", "two")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    told = [line for each in lines for line in each if line != "refused"]
    assert budget.left("acme")[0] == 0.0
    assert len(told) == (60 if shared == "same" else 30)
    assert len(set(told)) == 30  # to the same question both are told the same


def test_killed_at_any_time_what_was_told_is_spent(path: Path) -> None:
    Budget.create(path, {"acme": 3.0})
    told = 0
    for turn in range(8):
        process = spender(path, str(turn), "other")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        for _ in range(turn % 4):
            told += process.stdout.readline() != "refused\n"
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        told += sum(line[:1].isdigit() for line in rest.splitlines())
        left = Budget(path, {"acme": 3.0}).left("acme")[0]
        assert 0 <= left <= 3.0 - 0.1 * told + 1e-9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_spends_of_the_same(budget: Budget) -> None:
    spend(budget, 1, Loss(0.3))
    child = os.fork()
    if not child:
        try:
            spend(budget, 2, Loss(0.3))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    spend(budget, 3, Loss(0.3))
    assert budget.left("acme")[0] == 0.1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-9, 0.5), min_size=1, max_size=12))
def test_never_spends_more_than_the_total(epsilons: list[float]) -> None:
    with TemporaryDirectory() as folder:
        budget = Budget.create(f"{folder}/budget", {"acme": 1.0})
        spent = 0.0
        for number, epsilon in enumerate(epsilons):
            try:
                spend(budget, number, Loss(epsilon))
                spent += epsilon
            except BudgetError:
                assert spent + epsilon > 1 - 1e-7
        assert spent <= 1 + 1e-12
        assert 0 <= budget.left("acme")[0] <= 1 - spent + 1e-9
