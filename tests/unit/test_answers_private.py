"""Differentially private answers: their noise, what they cost, and who gets them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")
pytest.importorskip("opendp")

from augury import Tiers
from augury.answers import Answers, Budget, Loss, Privacy
from augury.answers.examples import Examples
from augury.answers.model import Model
from augury.answers.privacy.noise import Noise
from augury.answers.watch import Watch
from augury.errors import AccessError, BudgetError, ConfigurationError, QueryError
from augury.tiers import Memory

PEOPLE = 4_000
BETWEEN = "FROM visits WHERE age BETWEEN :first AND :last"
TYPES = {"first": int, "last": int}
ALL: dict[str, Any] = {"first": 0, "last": 99}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    file = tmp_path / "visits.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE visits (town TEXT, age INT, minutes REAL)")
        towns = np.array(["Aberdeen", "Bath"])[random.integers(0, 2, PEOPLE)]
        ages = random.integers(0, 100, PEOPLE)
        minutes = random.gamma(2.0, 10.0, PEOPLE)
        rows = [*zip(towns.tolist(), ages.tolist(), minutes.tolist(), strict=True)]
        rows += [("Cove", 30, 5.0), ("Bath", 31, None), ("Bath", 31, 1e9), ("Bath", 31, -1e9)]
        connection.executemany("INSERT INTO visits VALUES (?, ?, ?)", rows)
    connection.close()
    return file


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    tenants = {"acme": Loss(20.0, delta=1e-3), "other": Loss(1.0)}
    return Budget.create(tmp_path / "budget", tenants)


@pytest.fixture
def answers(path: Path, budget: Budget) -> Iterator[Answers]:
    with Answers(f"sqlite:///{path}", budget=budget) as made:
        yield made


def truth(path: Path, sql: str) -> Any:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_noise_is_of_the_scale_that_the_loss_asks_for(epsilon: float) -> None:
    noise = Noise(Privacy(epsilon=epsilon, contribution=3), None, groups=False)
    assert noise.count_scale == pytest.approx(3 / epsilon)
    errors = np.array([noise.count(1_000) - 1_000 for _ in range(4_000)])
    # The mean of |error| has a standard deviation of scale / sqrt(4000): eight of them.
    assert np.abs(errors).mean() == pytest.approx(noise.count_scale, rel=8 / 4_000**0.5)
    assert abs(errors.mean()) < 8 * 2**0.5 * noise.count_scale / 4_000**0.5


def test_noise_tells_neighbours_apart_no_better_than_the_loss() -> None:
    """What is seen of one row more is nowhere more likely than by exp(epsilon)."""
    noise = Noise(Privacy(epsilon=0.5), None, groups=False)
    many = 60_000
    without = np.bincount([min(20, max(0, noise.count(10))) for _ in range(many)], minlength=21)
    with_one = np.bincount([min(20, max(0, noise.count(11))) for _ in range(many)], minlength=21)
    ratios = np.log(with_one / without)
    error = 8 * np.sqrt(1 / with_one + 1 / without)  # eight standard deviations of a logarithm
    assert np.all(np.abs(ratios) < 0.5 + error)


def test_counts_sums_and_averages_are_near(answers: Answers, path: Path) -> None:
    privacy = Privacy(epsilon=2.0, bounds=(0, 60))
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=privacy)
    answers.register("total", f"SELECT sum(minutes) {BETWEEN}", TYPES, privacy=privacy)
    answers.register("mean", f"SELECT avg(minutes) {BETWEEN}", TYPES, privacy=privacy)
    clamped = "min(60, max(0, minutes))"
    for name, sql, room in (
        ("count", "SELECT count(*) FROM visits", 20),
        ("total", f"SELECT sum({clamped}) FROM visits", 2_000),
        ("mean", f"SELECT avg({clamped}) FROM visits", 1),
    ):
        answer = answers.ask(name, tenant="acme", **ALL)
        assert abs(answer.value - truth(path, sql)) < room
        assert answer.low < answer.value < answer.high
        assert (answer.confidence, answer.origin, answer.exact) == (0.95, "database", False)


def test_intervals_hold_what_is_without_noise(path: Path, tmp_path: Path) -> None:
    budget = Budget.create(tmp_path / "much", {"acme": Loss(1e6, delta=0.5)})
    privacy = Privacy(epsilon=0.5, delta=1e-6, bounds=(0, 60))
    clamped = "min(60, max(0, minutes))"
    held = np.zeros((4, 100), np.bool_)
    with Answers(f"sqlite:///{path}", budget=budget) as answers:
        for name, value in (
            ("count", "count(*)"),
            ("total", "sum(minutes)"),
            ("mean", "avg(minutes)"),
        ):
            answers.register(name, f"SELECT {value} {BETWEEN}", TYPES, privacy=privacy)
        answers.register(
            "towns", f"SELECT town, avg(minutes) {BETWEEN} GROUP BY town", TYPES, privacy=privacy
        )
        for age in range(100):
            at: dict[str, Any] = {"first": 0, "last": age}
            where = f"FROM visits WHERE age <= {age}"
            for row, (name, value) in enumerate(
                (("count", "count(*)"), ("total", f"sum({clamped})"), ("mean", f"avg({clamped})"))
            ):
                answer = answers.ask(name, tenant="acme", **at)
                assert answer.low <= answer.value <= answer.high
                held[row, age] = answer.low <= truth(path, f"SELECT {value} {where}") <= answer.high
            towns = answers.ask("towns", tenant="acme", **at)
            held[3, age] = all(
                towns.low[town]
                <= truth(path, f"SELECT avg({clamped}) {where} AND town = '{town}'")
                <= towns.high[town]
                for town in towns.value
            )
    # Of 100 answers at 95%, five miss; 16 or more do once in 100,000 times.
    assert np.all(held.sum(axis=1) >= 85), held.sum(axis=1)


def test_a_value_out_of_bounds_counts_as_the_bound(answers: Answers) -> None:
    privacy = Privacy(epsilon=10, bounds=(0, 60))
    answers.register(
        "total",
        "SELECT sum(minutes) FROM visits WHERE age = :age AND minutes > 1e8",
        {"age": int},
        privacy=privacy,
    )
    answer = answers.ask("total", tenant="acme", age=31)
    assert abs(answer.value) < 60 + 40 * 12  # a row counts for 60, and the noise is of scale 12


def test_asking_again_tells_nothing_new(answers: Answers, budget: Budget) -> None:
    privacy = Privacy(epsilon=1.0)
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=privacy)
    answers.register(
        "same",
        "SELECT COUNT(*) FROM visits v WHERE :last >= v.age AND v.age >= :first",
        TYPES,
        privacy=privacy,
    )
    first = answers.ask("count", tenant="acme", **ALL)
    told = {answers.ask(name, tenant="acme", **ALL).value for name in ("count", "same") * 50}
    assert told == {first.value}
    assert budget.left("acme") == (19.0, 1e-3)


def test_is_told_the_same_after_a_restart(path: Path, tmp_path: Path, budget: Budget) -> None:
    told = set()
    for _ in range(5):
        again = Budget(tmp_path / "budget", {"acme": Loss(20.0, delta=1e-3)})
        with Answers(f"sqlite:///{path}", budget=again) as answers:
            answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.5))
            told.add(answers.ask("count", tenant="acme", **ALL).value)
    assert len(told) == 1
    assert budget.left("acme")[0] == 19.5


def test_is_told_anew_after_a_change(answers: Answers, budget: Budget, path: Path) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(1.0))
    told = []
    for _ in range(3):
        told += [answers.ask("count", tenant="acme", **ALL).value for _ in range(3)]
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM visits WHERE rowid <= (SELECT avg(rowid) FROM visits)")
        connection.close()
        answers.changed("visits")
    assert told[0] == told[2] > 1.5 * told[3]
    assert told[3] == told[5] > 1.5 * told[6]
    assert budget.left("acme")[0] == 17.0


def test_a_change_of_some_rows_voids_noisy_counts(answers: Answers, budget: Budget) -> None:
    answers.register(
        "count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(1.0), tolerance=50
    )
    answers.register(
        "few", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(minimum=10), tolerance=50
    )
    assert answers.ask("few", first=200, last=201).value is None
    answers.ask("count", tenant="acme", **ALL)
    answers.changed("visits", rows=1)
    assert answers.ask("count", tenant="acme", **ALL).origin == "database"
    assert answers.ask("few", first=200, last=201).value is None
    assert budget.left("acme")[0] == 18.0


def test_answers_are_not_added_up(answers: Answers) -> None:
    """Noise would be, too; and the difference of two large answers may be of few rows."""
    answers.register("few", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(minimum=500))
    answers.register("noisy", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.1))
    for name, tenant in (("few", None), ("noisy", "acme")):
        for last in (30, 29):
            assert answers.ask(name, tenant=tenant, first=0, last=last).origin == "database"
        answer = answers.ask(name, tenant=tenant, first=30, last=30)
        assert answer.origin == "database"
    assert answers.ask("few", first=30, last=30).value is None


def test_a_budget_runs_out(answers: Answers, budget: Budget) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.4))
    for age in (10, 20):
        answers.ask("count", tenant="other", first=0, last=age)
    with pytest.raises(
        BudgetError, match=r"'other' has epsilon 0\.2 left, and this needs epsilon 0\.4"
    ):
        answers.ask("count", tenant="other", first=0, last=30)
    assert budget.left("other")[0] == pytest.approx(0.2)
    assert answers.ask("count", tenant="other", first=0, last=20).origin == "cache"
    assert answers.ask("count", tenant="acme", first=0, last=30).value > 0


def test_tenants_get_noise_of_their_own(answers: Answers, budget: Budget) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.01))
    told = [answers.ask("count", tenant=each, **ALL).value for each in ("acme", "other")]
    assert told[0] != told[1]
    assert (budget.left("acme")[0], budget.left("other")[0]) == (19.99, 0.99)


def test_a_database_that_fails_costs_nothing(answers: Answers, budget: Budget, path: Path) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.4))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE visits")
    connection.close()
    with pytest.raises(OSError, match="did not answer"):
        answers.ask("count", tenant="other", **ALL)
    assert budget.left("other")[0] == 1.0


def test_nothing_is_exact(answers: Answers, budget: Budget) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.4))
    with pytest.raises(QueryError, match="no exact answers"):
        answers.ask("count", tenant="other", exact=True, **ALL)
    assert budget.left("other")[0] == 1.0


def test_a_group_of_one_person_is_not_shown(answers: Answers) -> None:
    answers.register(
        "towns",
        f"SELECT town, avg(minutes) {BETWEEN} GROUP BY town",
        TYPES,
        privacy=Privacy(epsilon=1.0, delta=1e-6, bounds=(0, 60)),
    )
    answer = answers.ask("towns", tenant="acme", **ALL)
    assert answer.value.keys() == answer.low.keys() == answer.high.keys() == {"Aberdeen", "Bath"}


def test_groups_by_number_lists_and_texts_with_colons(answers: Answers) -> None:
    answers.register(
        "towns",
        "SELECT sum(minutes) AS total, v.town AS place FROM visits v"
        " WHERE town IN :towns AND town <> 'a:b' GROUP BY 2 ORDER BY 1 DESC",
        {"towns": list[str]},
        privacy=Privacy(epsilon=5.0, delta=1e-6, bounds=(0, 60)),
    )
    answer = answers.ask("towns", tenant="acme", towns=["Bath", "Cove"])
    assert answer.value.keys() == {"Bath"}
    assert 20_000 < answer.value["Bath"] < 60_000
    found = answers.sql(
        "SELECT sum(minutes) AS total, v.town AS place FROM visits v"
        " WHERE town IN ('Cove', 'Bath') AND town <> 'a:b' GROUP BY 2 ORDER BY 1 DESC",
        tenant="acme",
    )
    assert (found.value, found.origin) == (answer.value, "cache")


def test_few_rows_are_withheld(answers: Answers) -> None:
    privacy = Privacy(epsilon=5.0, minimum=20)
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=privacy)
    answer = answers.ask("count", tenant="acme", first=200, last=201)
    assert (answer.value, answer.low, answer.high) == (None, None, None)
    assert answers.ask("count", tenant="acme", **ALL).value > 20


def test_without_noise_few_rows_are_withheld(answers: Answers) -> None:
    privacy = Privacy(minimum=5)
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=privacy)
    answers.register(
        "mean", "SELECT avg(minutes) FROM visits WHERE town = :town", {"town": str}, privacy=privacy
    )
    answers.register(
        "towns", f"SELECT town, count(*) {BETWEEN} GROUP BY town", TYPES, privacy=privacy
    )
    assert answers.ask("count", **ALL).value == PEOPLE + 4
    assert answers.ask("count", first=100, last=101).value is None
    for _ in range(2):
        assert answers.ask("mean", town="Cove").value is None
        assert answers.ask("mean", town="Cove", exact=True).value is None
        assert answers.ask("towns", **ALL).value.keys() == {"Aberdeen", "Bath"}
    assert answers.ask("mean", town="Bath").value is not None


def test_only_those_allowed_may_ask(answers: Answers) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, allow=["acme"])
    assert answers.ask("count", tenant="acme", **ALL).value == PEOPLE + 4
    for tenant in (None, "other", "ACME", "acme ", "acme\0", "'acme'"):
        errors = []
        for given in (ALL, {"first": 7, "last": 9}, {"odd": 1}):
            with pytest.raises(AccessError, match="may not ask query 'count'") as refused:
                answers.ask("count", tenant=tenant, **given)
            errors.append(str(refused.value))
        assert len(set(errors)) == 1  # whether there is an answer makes no difference
        with pytest.raises(AccessError):
            answers.ask_many("count", tenant=tenant, first=[0], last=[9])


def test_a_private_query_is_asked_for_a_tenant(answers: Answers) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.4))
    for tenant in (None, "nobody", "\0acme"):
        with pytest.raises(AccessError):
            answers.ask("count", tenant=tenant, **ALL)
    with pytest.raises(QueryError, match="no query"):
        answers.ask("count\0acme", **ALL)


def test_explains_no_more_than_was_answered(answers: Answers, path: Path) -> None:
    answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.5))
    answer = answers.ask("count", tenant="acme", **ALL)
    told = answer.explain()
    assert "noisy: epsilon 0.5 was paid" in told
    assert "left to 'acme': epsilon 19.5" in told
    assert str(PEOPLE + 4) not in told
    assert answers.query("count", "acme").seconds == 0.0  # how long it took tells of the rows


class Nearest:
    """Estimates what was learned of the box with the nearest upper end."""

    def __init__(self, examples: Examples) -> None:
        self.lasts = examples.boxes[:, 0, 1]
        self.values = examples.measures["rows"]

    def estimate(self, boxes: Any) -> tuple[Any, Any]:
        at = np.abs(boxes[:, 0, 1][:, None] - self.lasts).argmin(axis=1)
        return self.values[at], np.ones(len(boxes))

    def estimate_one(self, box: Any) -> tuple[float, float]:
        estimates, spreads = self.estimate(np.array([box]))
        return float(estimates[0]), float(spreads[0])

    def arrays(self) -> dict[str, Any]:
        return {}

    def half_width(self, estimate: float, spread: float, confidence: float) -> float:
        return 1.0

    def half_widths(self, estimates: Any, spreads: Any, confidence: float) -> Any:
        return np.ones(len(estimates))

    def note(self, estimate: float, spread: float, truth: float) -> None:
        raise AssertionError("a private answer was audited")


def test_infers_from_noisy_answers_at_no_cost(path: Path, budget: Budget) -> None:
    with Answers(f"sqlite:///{path}", budget=budget, audits=1.0) as answers:
        sql = f"SELECT count(*) {BETWEEN}"
        answers.register("count", sql, TYPES, privacy=Privacy(0.1), tolerance=5)
        answers.register("open", sql, TYPES, tolerance=5)
        told = [answers.ask("count", tenant="acme", first=0, last=age).value for age in range(50)]
        exact = [answers.ask("open", first=0, last=age).value for age in range(50)]
        assert told != exact
        # Nothing but what the tenant was told is learned from: not even by a query that tells all.
        query = answers.query("count", "acme")
        examples = query.family.examples()
        assert examples.measures.keys() == {"rows"}
        assert examples.measures["rows"].tolist() == told
        assert len(answers.query("count", "other").family.log) == 0
        fitted = Nearest(examples)
        vocabulary = query.family.vocabulary
        query.model = Model("n", query.target, fitted, fitted, vocabulary, Watch(0.95), 0.0, 0)
        before = budget.left("acme")
        answer = answers.ask("count", tenant="acme", first=0, last=60)
        assert (answer.value, answer.origin) == (told[-1], "inferred")
        assert "inferred from noisy answers, at no cost" in answer.explain()
        many = answers.ask_many("count", tenant="acme", first=0, last=[70, 80])
        assert set(many.origins) == {"inferred"}
        assert answers._auditor.wait(10)
        assert budget.left("acme") == before
        assert answers.ask("count", tenant="other", first=0, last=60).origin == "database"


def test_kept_by_tiers_is_what_was_told(path: Path, budget: Budget) -> None:
    memory = Memory(100)
    tiers: Tiers[Any, Any] = Tiers([memory])
    with tiers, Answers(f"sqlite:///{path}", tiers, budget=budget) as answers:
        answers.register("count", f"SELECT count(*) {BETWEEN}", TYPES, privacy=Privacy(0.5))
        first = answers.ask("count", tenant="acme", **ALL)
        again = answers.ask("count", tenant="acme", **ALL)
        assert (again.value, again.low, again.high) == (first.value, first.low, first.high)
        assert (first.origin, again.origin) == ("database", "cache")
        assert answers.ask("count", tenant="other", **ALL).origin == "database"


@pytest.mark.parametrize(
    ("sql", "privacy", "told"),
    [
        ("SELECT max(minutes) FROM visits WHERE age = :age", Privacy(0.1), "plain COUNT, SUM"),
        ("SELECT count(DISTINCT town) FROM visits WHERE age = :age", Privacy(0.1), "plain COUNT"),
        ("SELECT avg(minutes) FROM visits WHERE age = :age", Privacy(0.1), "needs bounds"),
        (
            "SELECT count(*) FROM visits WHERE age = :age"
            " AND minutes > (SELECT avg(minutes) FROM visits)",
            Privacy(0.1),
            "without subqueries",
        ),
        (
            "SELECT count(*) FROM (SELECT DISTINCT town, age FROM visits) AS v WHERE age = :age",
            Privacy(0.1),
            "without subqueries",
        ),
        (
            "SELECT town, count(*) FROM visits WHERE age = :age GROUP BY town",
            Privacy(0.1),
            "need a delta",
        ),
        ("SELECT max(minutes) FROM visits WHERE age = :age", Privacy(minimum=5), "plain COUNT"),
    ],
)
def test_refuses_what_cannot_be_private(
    answers: Answers, sql: str, privacy: Privacy, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"query 'odd': .*{told}"):
        answers.register("odd", sql, {"age": int}, privacy=privacy)


def test_needs_a_budget(path: Path, budget: Budget) -> None:
    sql = f"SELECT count(*) {BETWEEN}"
    with Answers(f"sqlite:///{path}") as answers, pytest.raises(ConfigurationError, match="budget"):
        answers.register("count", sql, TYPES, privacy=Privacy(0.1))
    with Answers(f"sqlite:///{path}", budget=budget) as answers:
        with pytest.raises(ConfigurationError, match="'third' has no budget"):
            answers.register("count", sql, TYPES, privacy=Privacy(0.1), allow=["third"])
        with pytest.raises(ConfigurationError, match="allow must be a list"):
            answers.register("count", sql, TYPES, allow="acme")


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"epsilon": 0},
        {"epsilon": -1},
        {"epsilon": float("nan")},
        {"epsilon": float("inf")},
        {"epsilon": 1e300},
        {"epsilon": 11},
        {"epsilon": "1"},
        {"epsilon": True},
        {"epsilon": 1, "delta": float("nan")},
        {"epsilon": 1, "delta": 1.0},
        {"epsilon": 1, "delta": -1e-9},
        {"epsilon": 1, "bounds": (1, 1)},
        {"epsilon": 1, "bounds": (2, 1)},
        {"epsilon": 1, "bounds": (0, float("inf"))},
        {"epsilon": 1, "bounds": (float("nan"), 1)},
        {"epsilon": 1, "bounds": 5},
        {"epsilon": 1, "contribution": 0},
        {"epsilon": 1, "minimum": -1},
    ],
)
def test_refuses_odd_privacy(odd: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Privacy(**odd)
