"""The flights in DuckDB, whole or as a sample: what an analytical database answers."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import numpy as np

from augury.closing import Closing
from augury.demo.questions import STATEMENTS, Question
from augury.errors import MissingExtraError


class Duck(Closing):
    """The columns that questions are about, in memory.

    Parameters
    ----------
    database
        The SQLite file to copy them from.
    share
        How many of the rows are kept, by chance; counts are scaled up. By default 1.0: all.
    seed
        Of that chance.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    """

    def __init__(self, database: Path, share: float = 1.0, seed: int = 0) -> None:
        try:
            import duckdb
        except ModuleNotFoundError:
            raise MissingExtraError("duckdb", "demo") from None
        source = sqlite3.connect(database)
        rows = source.execute("SELECT carrier, origin, month, hour, dep_delay FROM flights")
        carrier, origin, month, hour, delay = zip(*rows, strict=True)
        source.close()
        kept = np.random.default_rng(seed).random(len(carrier)) < share
        columns = {  # DuckDB finds them by this name
            "carrier": np.array(carrier, object)[kept],
            "origin": np.array(origin, object)[kept],
            "month": np.array(month)[kept],
            "hour": np.array(hour)[kept],
            "delay": np.array(delay, np.float64)[kept],
        }
        self._share = share
        self._connection = duckdb.connect()
        self._connection.register("columns", columns)
        self._connection.execute(
            "CREATE TABLE flights AS SELECT carrier, origin, month, hour,"
            " CASE WHEN isnan(delay) THEN NULL ELSE delay END AS dep_delay FROM columns"
        )
        self._statements = {
            name: re.sub(r":(\w+)", r"$\1", statement) for name, statement in STATEMENTS.items()
        }

    def answer(self, question: Question) -> float | None:
        """Return its answer, or what the sample says; None if there is no row to say it."""
        found = self._connection.execute(
            self._statements[question.name], question.parameters
        ).fetchone()
        assert found is not None
        value: float | None = found[0]
        if value is None:
            return None
        return value / self._share if question.name == "flights" else value

    def close(self) -> None:
        """Give its memory back."""
        self._connection.close()
