"""A dashboard whose questions are all different: learned, inferred, verified, and switched off.

    python examples/answers.py

A table of deliveries in SQLite is asked for mean times by city and by ranges of days and hours. The
first questions go to the database; a model learns from them, and infers the answers to others, as
long as it is sure enough. Then the table changes, and nobody says so: audits find out.
"""

import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from augury.answers import Answers

CITIES = ("Bergen", "Ghent", "Lyon")
DAYS, HOURS, ROWS = 14, (9, 21), 30_000
QUERY = """
    SELECT avg(minutes) FROM deliveries
    WHERE city = :city AND day BETWEEN :first_day AND :last_day
      AND hour BETWEEN :first_hour AND :last_hour
"""
TYPES = {"city": str, "first_day": int, "last_day": int, "first_hour": int, "last_hour": int}


def fill(path: Path, random: np.random.Generator) -> None:
    city, day = random.integers(len(CITIES), size=ROWS), random.integers(1, DAYS + 1, ROWS)
    hour = np.clip(random.normal(15, 3, ROWS), *HOURS).astype(int)
    rush = np.where((hour >= 17) & (hour <= 19), 14.0, 0.0)
    minutes = 20 + 4 * city + 0.2 * day + rush + random.exponential(8, ROWS)
    columns = ([CITIES[at] for at in city], day.tolist(), hour.tolist(), minutes.tolist())
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE deliveries (city TEXT, day INT, hour INT, minutes REAL)")
        rows = zip(*columns, strict=True)
        connection.executemany("INSERT INTO deliveries VALUES (?, ?, ?, ?)", rows)
    connection.close()


def question(random: np.random.Generator) -> dict[str, object]:
    first_day, last_day = sorted(random.integers(1, DAYS + 1, 2).tolist())
    first_hour, last_hour = sorted(random.integers(HOURS[0], HOURS[1] + 1, 2).tolist())
    return {
        "city": str(random.choice(CITIES)),
        "first_day": first_day,
        "last_day": last_day,
        "first_hour": first_hour,
        "last_hour": last_hour,
    }


def ask(answers: Answers, count: int, random: np.random.Generator) -> Counter[str]:
    """Ask so many questions, audits included, and count where the answers come from."""
    origins = Counter(answers.ask("minutes", **question(random)).origin for _ in range(count))
    answers.wait()
    return origins


def main() -> None:
    random = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deliveries.sqlite"
        fill(path, random)
        with Answers(f"sqlite:///{path}", audits=0.1, learns=False) as answers:
            answers.register("minutes", QUERY, TYPES, tolerance=2.0, confidence=0.95)
            print("first:", dict(ask(answers, 500, random)))
            print(answers.learn(models=["cube"])[0])
            print("then:", dict(ask(answers, 300, random)))
            while (answer := answers.ask("minutes", **question(random))).origin != "inferred":
                pass
            print(f"such as {answer.value:.1f}, {answer.low:.1f} to {answer.high:.1f}")
            print(answer.explain())
            with sqlite3.connect(path) as connection:  # which nobody reports
                connection.execute("UPDATE deliveries SET minutes = minutes + 15")
            connection.close()
            asked = 20
            while ask(answers, 20, random)["inferred"]:
                asked += 20
            print(f"nothing is inferred any more {asked} questions after the table has changed")
            print("now:", dict(ask(answers, 100, random)))


if __name__ == "__main__":
    main()
