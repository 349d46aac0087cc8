"""Learned answers about real flights, beside SQLite, DuckDB, a sample and an exact-result cache.

    python benchmarks/answers.py [--seeds 3] [--sample 0.1] [--shift] [--json]

20,000 questions about a carrier, an airport, a range of months and one of hours, each popular by
Zipf's law, are asked of `Answers` in front of SQLite, one by one, with a tolerance of 5% of a count
and 2 minutes of a mean delay, at 95% confidence. The first 5,000 are learned from; all figures are
of the 15,000 after those. It learns again after every 1,000. Every answer is compared with the
right one. One question in ten is asked of the others, too, right after.

--shift gives the flights of one month to other carriers after 10,000 questions, which nobody
reports to `Answers`; 30,000 questions later it says how soon audits have found that out.

Needs the extra demo.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any
from unittest import mock

import numpy as np

from augury import Cache
from augury.answers import Answers
from augury.answers.watch import Audit, Watch
from augury.bench.machine import machine_line
from augury.demo.answering import Served, coverage, deciles, errors, register, serve, sqlite
from augury.demo.duck import Duck
from augury.demo.flights import build_database
from augury.demo.questions import STATEMENTS, TYPES, Cells, Question

ASKED, LEARNED_FROM, CHUNK = 20_000, 5_000, 1_000
EVERY = 10  # questions of which one is asked of the others, too
MANY = 1_000_000
MODEL = "cube"
SHIFT_AT, SHIFT_ASKED = 10_000, 40_000
MONTH = 7  # whose flights get other carriers
WINDOW = 500  # audits


def learn(answers: Answers) -> float:
    """Learn from what was executed, audits included, and return how long that took."""
    answers.wait()
    began = perf_counter()
    answers.learn(models=[MODEL])
    return perf_counter() - began


def run(database: Path, seed: int, drawn: float | None = None) -> dict[str, Any]:
    """Return the figures of the 15,000 later questions."""
    cells = Cells(database)
    questions = cells.questions(ASKED, seed)
    with (
        Duck(database) as duck,
        Duck(database, 0.01, seed) as sample,
        Answers(f"sqlite:///{database}", learns=False) as answers,
    ):
        peers = {
            "SQLite": sqlite(database),
            "DuckDB": duck.answer,
            "DuckDB, 1% sample": sample.answer,
        }
        register(answers, drawn)
        serve(answers, cells, questions[:LEARNED_FROM])
        seconds = [learn(answers)]
        served: list[Served] = []
        for at in range(LEARNED_FROM, ASKED, CHUNK):
            served += serve(answers, cells, questions[at : at + CHUNK], peers, EVERY)
            if at + CHUNK < ASKED:
                seconds.append(learn(answers))
        answers.wait()
        rates = {name: rate_of_many(answers, name, served) for name in STATEMENTS}
    return {
        "seed": seed,
        "learning_seconds": {"first": seconds[0], "later_mean": float(np.mean(seconds[1:]))},
        **right(served),
        **fast(served),
        "asked_at_once_per_second": rates,
        "exact_result_cache": exact_results(questions, served),
    }


def right(served: Sequence[Served]) -> dict[str, Any]:
    """Return what was sent to the database, and how right the inferred answers were."""
    inferred = [each for each in served if each.inferred]
    by_query = {
        name: [each for each in inferred if each.question.name == name] for name in STATEMENTS
    }
    cells = [(name, part) for name, those in by_query.items() for part in deciles(those)]
    counts = errors(by_query["flights"])
    delays = [
        abs(each.value - each.truth)
        for each in by_query["delay"]
        if each.value is not None and each.truth is not None
    ]
    origins = Counter(each.origin for each in served)
    return {
        "origins": {name: count / len(served) for name, count in origins.most_common()},
        "not_sent": not_sent(served),
        "not_sent_by_query": {
            name: not_sent([each for each in served if each.question.name == name])
            for name in STATEMENTS
        },
        "inferred": len(inferred),
        "coverage": coverage(inferred),
        "coverage_by_query": {name: coverage(those) for name, those in by_query.items()},
        "coverage_by_decile": [coverage(part) for part in deciles(inferred)],
        "coverage_least_of_query_and_decile": min(coverage(part) for _, part in cells),
        "count_error": {"median": float(np.median(counts)), "p95": quantile(counts, 0.95)},
        "delay_error_minutes": {"median": float(np.median(delays)), "p95": quantile(delays, 0.95)},
    }


def fast(served: Sequence[Served]) -> dict[str, Any]:
    """Return times in microseconds, and those of the others for the same questions."""
    inferred = [each.nanoseconds / 1e3 for each in served if each.inferred]
    both = [each for each in served if each.inferred and each.beside]
    own = float(np.median([each.nanoseconds for each in both])) / 1e3
    others = {}
    for name in both[0].beside:
        times = [each.beside[name][1] / 1e3 for each in both]
        others[name] = {
            "p50": float(np.median(times)),
            "p99": quantile(times, 0.99),
            "mean": float(np.mean(times)),
            "times_slower": float(np.median(times)) / own,
        }
    counted = [each for each in both if each.question.name == "flights" and each.truth]
    wrong = [relative(each.beside["DuckDB, 1% sample"][0], each.truth) for each in counted]
    return {
        "microseconds": {
            "p50": float(np.median(inferred)),
            "p99": quantile(inferred, 0.99),
            "mean": float(np.mean(inferred)),
        },
        "microseconds_of_all_questions": {
            "mean": float(np.mean([each.nanoseconds for each in served])) / 1e3
        },
        "others_microseconds": others,
        "sample_count_error": {"median": float(np.median(wrong)), "p95": quantile(wrong, 0.95)},
    }


def relative(value: float | None, truth: float | None) -> float:
    """Return how far a sample is off; it says 0 of what it has no row of."""
    assert truth
    return abs((value or 0.0) - truth) / truth


def not_sent(served: Sequence[Served]) -> float:
    return sum(not each.sent for each in served) / len(served)


def quantile(values: Any, share: float) -> float:
    return float(np.quantile(values, share))


def rate_of_many(answers: Answers, name: str, served: Sequence[Served]) -> float:
    """Return how many questions a second are inferred at once: a million, the inferred ones."""
    asked = [each.question for each in served if each.inferred and each.question.name == name]
    columns: dict[str, Any] = {
        each: np.array([question.parameters[each] for question in asked]) for each in TYPES
    }
    sure = np.zeros(1, np.bool_)
    while not sure.all():  # some have widened since, and audits of these may widen others
        sure = answers.ask_many(name, **columns).origins == "inferred"
        answers.wait()
        columns = {each: column[sure] for each, column in columns.items()}
    columns = {each: np.resize(column, MANY) for each, column in columns.items()}
    rates = []
    for _ in range(3):
        began = perf_counter()
        answered = answers.ask_many(name, **columns)
        rates.append(MANY / (perf_counter() - began))
        assert (answered.origins == "inferred").all()
    return float(np.median(rates))


def exact_results(questions: Sequence[Question], served: Sequence[Served]) -> dict[str, float]:
    """Return what a cache that only keeps results would do: its hits cost a get, others SQLite."""
    cache: Cache[Any, Any] = Cache(ASKED)
    hits = 0
    times = []
    executed = [each.beside["SQLite"][1] for each in served if each.beside]
    for at, question in enumerate(questions):
        began = perf_counter_ns()
        held = cache.get(question.key)
        took = perf_counter_ns() - began
        if held is None:
            cache[question.key] = True
        elif at >= LEARNED_FROM:
            hits += 1
            times.append(took)
    share = hits / len(served)
    mean = share * float(np.mean(times)) + (1 - share) * float(np.mean(executed))
    return {"not_sent": share, "mean_microseconds": mean / 1e3}


def shift(database: Path, seed: int) -> dict[str, Any]:
    """Return how coverage of the audited answers went after a month's carriers had changed."""
    cells = Cells(database)
    questions = cells.questions(SHIFT_ASKED, seed)
    audits: list[Audit] = []
    note = Watch.note

    def listen(watch: Watch, audit: Audit) -> None:
        audits.append(audit)
        note(watch, audit)

    with (
        mock.patch.object(Watch, "note", listen),
        Answers(f"sqlite:///{database}", learns=False) as answers,
    ):
        register(answers)
        before = patiently(answers, cells, questions[:SHIFT_AT])
        begun = len(audits)
        change(database, cells)
        cells = Cells(database)
        after = patiently(answers, cells, questions[SHIFT_AT:], learned=True)
    windows = [
        sum(audit.held for audit in audits[end - WINDOW : end]) / WINDOW
        for end in range(max(begun, WINDOW), len(audits) + 1)
    ]
    low = [at for at, share in enumerate(windows) if share < 0.93]
    inferred = [each for each in after if each.inferred]
    return {
        "seed": seed,
        "not_sent_before": not_sent(before[LEARNED_FROM:]),
        "not_sent_after": not_sent(after),
        "not_sent_after_by_5000": [
            not_sent(after[at : at + 5_000]) for at in range(0, len(after), 5_000)
        ],
        "audits_before": begun,
        "audits_after": len(audits) - begun,
        "least_coverage_of_500_audits": min(windows),
        "audits_until_above_93_percent_for_good": low[-1] + 1 if low else 0,
        "coverage_of_inferred_after": coverage(inferred),
        "coverage_of_inferred_by_2000": [
            coverage(inferred[at : at + 2_000]) for at in range(0, len(inferred), 2_000)
        ],
        "stale_results": 1 - coverage([each for each in after if each.origin == "cache"]),
    }


def patiently(
    answers: Answers, cells: Cells, questions: Sequence[Question], *, learned: bool = False
) -> list[Served]:
    """Ask no faster than audits are done, and learn after each 1,000."""
    served: list[Served] = []
    for at in range(0, len(questions), 20):
        served += serve(answers, cells, questions[at : at + 20])
        answers.wait()
        if (learned or at >= LEARNED_FROM) and at % CHUNK == 0:
            learn(answers)
    return served


def change(database: Path, cells: Cells) -> None:
    """Give one month's flights of each carrier to the next one, over another connection."""
    following = dict(zip(cells.carriers, cells.carriers[1:] + cells.carriers[:1], strict=True))
    cases = " ".join(f"WHEN '{one}' THEN '{other}'" for one, other in following.items())
    with sqlite3.connect(database) as connection:
        connection.execute(
            f"UPDATE flights SET carrier = CASE carrier {cases} END WHERE month = {MONTH}"
        )
    connection.close()


def told(figures: Mapping[str, Any], indent: str = "") -> str:
    """Return figures as text, one a line."""
    lines = []
    for name, value in figures.items():
        title = indent + str(name).replace("_", " ")
        if isinstance(value, Mapping):
            lines += [title, told(value, indent + "  ")]
        elif isinstance(value, list):
            lines.append(f"{title:<44}{' '.join(f'{each:.3f}' for each in value)}")
        else:
            lines.append(f"{title:<44}{value:,.4g}" if value < 1e5 else f"{title:<44}{value:,.0f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--seeds", type=int, default=1, help="how many runs")
    parser.add_argument("--shift", action="store_true", help="change the data on the way")
    parser.add_argument("--sample", type=float, help="a share of the rows to learn from, too")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    played = shift if options.shift else partial(run, drawn=options.sample)
    figures = []
    for seed in range(options.seed, options.seed + options.seeds):
        with tempfile.TemporaryDirectory(prefix="augury-answers-") as folder:
            figures.append(played(build_database(Path(folder)), seed))
        if not options.json:
            print(told(figures[-1]), end="\n\n", flush=True)
    if options.json:
        print(json.dumps({"machine": machine_line(), "runs": figures}, indent=2))
    else:
        print(machine_line())


if __name__ == "__main__":
    main()
