"""Questions about ranges of flights: inferred within a stated error, or asked of the database."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from augury.answers import Answers
from augury.answers.answer import ORIGINS
from augury.demo.answering import (
    CONFIDENCE,
    Served,
    coverage,
    deciles,
    errors,
    register,
    relative_error,
    serve,
    sqlite,
)
from augury.demo.duck import Duck
from augury.demo.questions import STATEMENTS, Cells
from augury.demo.stage import Figure, Outcome, Stage, Table

TITLE = "Answer: questions about ranges, inferred within a stated error"

LEARNED_FROM = 5_000
JUDGED = 5_000
SAMPLE = 0.01
_EVERY = 5  # questions of which one is asked of the others, too
_CHUNK = 500
_SAMPLED = f"DuckDB, {SAMPLE:.0%} sample"


def play(stage: Stage) -> Outcome:
    """Learn from some questions, and compare all answers to others with the right ones."""
    database = stage.database
    cells = Cells(database)
    questions = cells.questions(LEARNED_FROM + JUDGED)
    with (
        Duck(database) as duck,
        Duck(database, SAMPLE) as sample,
        Answers(f"sqlite:///{database}", learns=False) as answers,
    ):
        others = {"SQLite": sqlite(database), "DuckDB": duck.answer, _SAMPLED: sample.answer}
        register(answers)
        served: list[Served] = []
        for at in range(0, len(questions), _CHUNK):
            if at == LEARNED_FROM:
                answers.learn(models=["cube"])
            chunk = questions[at : at + _CHUNK]
            if at < LEARNED_FROM:
                serve(answers, cells, chunk)
            else:
                served += serve(answers, cells, chunk, others, _EVERY)
            stage.progress((at + len(chunk)) / len(questions))
        answers.wait()
    return Outcome(
        statements=_statements(served),
        tables=(_speed_table(served), _query_table(served)),
        data=_data(served),
        draw=lambda: _draw(served),
    )


def _statements(served: Sequence[Served]) -> tuple[str, ...]:
    inferred = [each for each in served if each.inferred]
    origins = Counter(each.origin for each in served)
    told = ", ".join(f"{origins[name] / len(served):.1%} {name}" for name in ORIGINS)
    first = (
        "A page on punctuality asks for the number of flights, or their mean delay at departure, of"
        " a carrier from an airport, in a range of months and a range of hours; carriers, airports"
        f" and ranges are each popular by Zipf's law. {LEARNED_FROM:,} questions went to SQLite or"
        f" were found in the cache, and a model learned from them. Of the {len(served):,} after"
        f" those: {told}. An inferred answer was given if it was sure enough: within 5% of a count"
        f" or 2 minutes of a delay, {CONFIDENCE:.0%} of the time."
    )
    if not inferred:
        return (first, "No answer was sure enough to be inferred: the database gave them all.")
    counts = errors([each for each in inferred if each.question.name == "flights"])
    second = (
        f"All were compared with the right ones: {coverage(inferred):.1%} of the inferred answers"
        " lie in their interval"
        + (f"; a count is off by {np.median(counts):.2%} (median)." if len(counts) else ".")
    )
    return (first, second, *_example(inferred))


def _example(inferred: Sequence[Served]) -> tuple[str, ...]:
    """Tell of one answer: the widest of what was inferred that SQLite was asked for, too."""
    found = [
        each
        for each in inferred
        if each.beside and each.question.name == "delay" and each.value and each.truth
    ]
    if not found:
        return ()
    one = max(found, key=lambda each: (each.high or 0.0) - (each.low or 0.0))
    of = one.question.parameters
    exact, took = one.beside["SQLite"]
    return (
        f"The widest of them, for instance: {of['carrier']} from {of['origin']}, months"
        f" {of['first_month']} to {of['last_month']}, hours {of['first_hour']} to"
        f" {of['last_hour']}: {one.value:.1f} minutes, from {one.low:.1f} to {one.high:.1f},"
        f" inferred in {one.nanoseconds / 1e3:,.0f} µs; SQLite says {exact:.1f} after"
        f" {took / 1e3:,.0f} µs, for {one.rows:,} flights.",
    )


def _times(served: Sequence[Served]) -> dict[str, list[float]]:
    """Return microseconds of each who was asked the same inferred questions."""
    both = [each for each in served if each.inferred and each.beside]
    times = {"inferred": [each.nanoseconds / 1e3 for each in both]}
    for name in both[0].beside if both else ():
        times[name] = [each.beside[name][1] / 1e3 for each in both]
    return times


def _count_errors(served: Sequence[Served]) -> dict[str, float]:
    """Return the median relative errors of counts."""
    both = [
        each
        for each in served
        if each.inferred and each.beside and each.truth and each.question.name == "flights"
    ]
    if not both:
        return {}
    found = {"inferred": float(np.median(errors(both)))}
    for name in both[0].beside:
        off = [relative_error(each.beside[name][0] or 0.0, each.truth) for each in both]
        found[name] = float(np.median(off))
    return found


def _speed_table(served: Sequence[Served]) -> Table:
    off = _count_errors(served)
    rows = []
    times = _times(served)
    for name, those in times.items():
        if not those:
            continue
        slower = float(np.median(those)) / float(np.median(times["inferred"]))
        rows.append(
            (
                name,
                f"{np.median(those):,.1f}",
                f"{np.quantile(those, 0.99):,.0f}",
                f"{slower:,.1f}",
                f"{off[name]:.2%}" if name in off else "",
            )
        )
    return Table(
        f"The same questions, one in {_EVERY} of those inferred; times in µs",
        ("answered by", "p50", "p99", "times as long", "median error of counts"),
        tuple(rows),
        best=(0,) if rows else (),
    )


def _query_table(served: Sequence[Served]) -> Table:
    rows = []
    for name in STATEMENTS:
        asked = [each for each in served if each.question.name == name]
        inferred = [each for each in asked if each.inferred]
        rows.append(
            (
                name,
                f"{len(asked):,}",
                f"{_share(asked):.1%}",
                f"{len(inferred):,}",
                f"{coverage(inferred):.1%}" if inferred else "",
            )
        )
    return Table(
        "What the database was spared",
        ("query", "asked", "not sent", "inferred", "in their interval"),
        tuple(rows),
    )


def _share(served: Sequence[Served]) -> float:
    return sum(not each.sent for each in served) / len(served) if served else math.nan


def _data(served: Sequence[Served]) -> dict[str, Any]:
    inferred = [each for each in served if each.inferred]
    origins = Counter(each.origin for each in served)
    return {
        "learned_from": LEARNED_FROM,
        "asked": len(served),
        "origins": {name: origins[name] for name in ORIGINS},
        "not_sent": _share(served),
        "inferred": len(inferred),
        "coverage": coverage(inferred) if inferred else None,
        "coverage_by_decile": _by_decile(inferred),
        "count_error": _count_errors(served),
        "microseconds": {
            name: {"p50": float(np.median(those)), "p99": float(np.quantile(those, 0.99))}
            for name, those in _times(served).items()
            if those
        },
    }


def _by_decile(inferred: Sequence[Served]) -> list[float]:
    return [coverage(part) for part in deciles(inferred) if part]


def _draw(served: Sequence[Served]) -> tuple[Figure, ...]:
    # Here and not above: drawing is optional, and loading matplotlib takes a while.
    from augury.demo.drawing import bars

    inferred = [each for each in served if each.inferred]
    origins = Counter(each.origin for each in served)
    shares = {name: [100 * count / len(served)] for name, count in origins.most_common()}
    drawn = [Figure("Where the answers came from.", bars(["all questions"], shares, "%"))]
    if inferred:
        covered = [100 * share for share in _by_decile(inferred)]
        sizes = [f"{part[0].rows:,} to {part[-1].rows:,}" for part in deciles(inferred) if part]
        drawn += [
            Figure(
                "Inferred answers whose interval holds the right one, by flights asked about.",
                bars(sizes, {"in their interval": covered}, "%", mark=("agreed", 100 * CONFIDENCE)),
            ),
            _drawn_times(_times(served)),
        ]
    return tuple(drawn)


def _drawn_times(times: Mapping[str, Sequence[float]]) -> Figure:
    from augury.demo.drawing import bars

    return Figure(
        "Median time of an answer to the same questions.",
        bars(list(times), {"": [float(np.median(those)) for those in times.values()]}, "µs"),
    )
