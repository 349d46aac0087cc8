"""The privacy budgets of tenants, and the noisy answers that they were spent on, in a file.

What is spent is summed up: a tenant that has got answers of privacy losses (ε₁, δ₁), (ε₂, δ₂) …
has got (Σε, Σδ) in all, even if each question was chosen by the answers before (Rogers et al.,
*Privacy Odometers and Filters*, NIPS 2016, for a limit that is set in advance). Tenants that tell
each other their answers have the sum of their budgets.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from augury.errors import BudgetError, ConfigurationError
from augury.forks import renew_in_child
from augury.parameters import check_instance, check_number, shown

_APPLICATION = 0x41755062  # "AuPb", in the header of the file
_LAYOUT = 1
_DIGITS = (9, 15)
"""Epsilon and delta are counted in units of so many decimals, so that nothing is lost in sums."""
_SECONDS = 30.0
"""How long other processes are waited for."""
_TABLES = """
CREATE TABLE entry (
    number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, question BLOB NOT NULL,
    epsilon INTEGER NOT NULL, delta INTEGER NOT NULL, answer BLOB NOT NULL, chain BLOB NOT NULL,
    UNIQUE (tenant, question)
) STRICT;
CREATE TABLE head (number INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
"""
_START = hashlib.sha256(b"augury.answers.privacy").digest()


@dataclass(frozen=True, slots=True)
class Loss:
    """How much privacy an answer costs, or may be lost in all.

    Parameters
    ----------
    epsilon
        A person who is left out changes the probability of what is seen by a factor of at most
        ``exp(epsilon)``,
    delta
        but for so much of a probability. By default 0.

    Raises
    ------
    ConfigurationError
        If `epsilon` is not above 0 and at most 1,000,000, or `delta` not from 0 up to 1.

    Examples
    --------
    >>> str(Loss(0.5)), str(Loss(0.5, delta=1e-6))
    ('epsilon 0.5', 'epsilon 0.5 and delta 1e-06')
    """

    epsilon: float
    delta: float = 0.0

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, unit="privacy loss")
        if self.epsilon > 1e6:
            raise ConfigurationError(
                f"epsilon must be at most 1,000,000, not {shown(self.epsilon)}"
            )
        if isinstance(self.delta, bool) or not isinstance(self.delta, int | float):
            raise ConfigurationError(f"delta must be a number, not {shown(self.delta)}")
        if not 0 <= self.delta < 1:
            raise ConfigurationError(f"delta must be from 0 up to 1, not {shown(self.delta)}")

    def __str__(self) -> str:
        delta = f" and delta {self.delta:.6g}" if self.delta else ""
        return f"epsilon {self.epsilon:.6g}{delta}"


class _Known(NamedTuple):
    """What was read of the file: replaced as a whole."""

    number: int
    """Of the last entry."""
    chain: bytes
    """Its digest."""
    spent: Mapping[str, tuple[int, int]]
    """By tenant, in units."""


class Budget:
    """What each tenant may learn in all, and what it has been told, in a file.

    The file counts what was spent, for all processes that use it, and never forgets: an answer is
    in it, and on disk, before it is returned. Nothing gives anything back. A file that is damaged,
    or not there, is refused, never begun anew; whoever may write the file, or restores an older
    copy, is trusted. Safe to share among threads and processes of a machine.

    Parameters
    ----------
    path
        Of a file that `Budget.create` has made.
    tenants
        The most that each tenant may lose in all: a `Loss`, or a number, its epsilon. A tenant that
        is not here gets no private answers.

    Raises
    ------
    BudgetError
        If the file is damaged, or not there.
    ConfigurationError
        If the path is none, or a tenant's name is no text, empty or over 200 characters.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> budget = Budget.create(f"{mkdtemp()}/budget", {"acme": 1.0})
    >>> budget.publish("acme", b"how many?", Loss(0.75), b"about 7")
    b'about 7'
    >>> budget.publish("acme", b"how many?", Loss(0.75), b"about 9")  # it is told the same again
    b'about 7'
    >>> budget.left("acme")
    (0.25, 0.0)
    >>> budget.publish("acme", b"how tall?", Loss(0.75), b"about 180")
    Traceback (most recent call last):
    augury.errors.BudgetError: tenant 'acme' has epsilon 0.25 left, and this needs epsilon 0.75
    """

    def __init__(self, path: str | os.PathLike[str], tenants: Mapping[str, Loss | float]) -> None:
        self._path = _path(path)
        check_instance("tenants", tenants, Mapping)
        self._totals: dict[str, tuple[int, int]] = {}
        for tenant, given in tenants.items():
            check_tenant(tenant)
            loss = given if isinstance(given, Loss) else Loss(given)
            self._totals[tenant] = _units(loss, ROUND_FLOOR)
        self._known = _Known(0, _START, {})
        self.begin_anew()
        with self._reading():
            pass
        renew_in_child(self)

    @classmethod
    def create(cls, path: str | os.PathLike[str], tenants: Mapping[str, Loss | float]) -> Budget:
        """Make the file, of which nothing has been spent yet, and open it.

        To be done once, by whoever sets the service up: a service that made its own file would
        begin with full budgets whenever it did not find the old one.

        Parameters
        ----------
        path
            Of the file to make.
        tenants
            What each of them may lose in all; a number is an epsilon.

        Returns
        -------
        Budget
            All of it is left.

        Raises
        ------
        BudgetError
            If there is a file already.
        ConfigurationError
            If the path is none, or a tenant's name or budget makes no sense.
        """
        file = _path(path)
        check_instance("tenants", tenants, Mapping)
        try:
            file.touch(mode=0o600, exist_ok=False)
            with closing(_connected(file)) as connection:
                connection.executescript(f"BEGIN EXCLUSIVE; {_TABLES}")
                connection.execute("INSERT INTO head VALUES (0, ?)", (_START,))
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {_LAYOUT}")
                connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise BudgetError(f"no privacy budget can be made at {file}: {_told(error)}") from error
        return cls(path, tenants)

    def begin_anew(self) -> None:
        """Forget the lock, which a thread of the parent may hold."""
        self._lock = threading.Lock()

    @property
    def tenants(self) -> tuple[str, ...]:
        """Who has a budget."""
        return tuple(self._totals)

    def left(self, tenant: str) -> tuple[float, float]:
        """Return how much epsilon and delta a tenant has left."""
        with self._reading():
            return _numbers(self._left(tenant))

    def check(self, tenant: str, loss: Loss) -> None:
        """Raise a `BudgetError` if a tenant has less left than this `loss`."""
        with self._reading():
            self._check(tenant, loss)

    def published(self, tenant: str, question: bytes) -> bytes | None:
        """Return what a tenant was told when it asked this `question` before."""
        with self._reading() as connection:
            return self._published(connection, tenant, question)

    def publish(self, tenant: str, question: bytes, loss: Loss, answer: bytes) -> bytes:
        """Spend a loss on an answer, and return what the tenant is to be told.

        That is what it was told before, if it, in whatever process, has asked this before; then
        nothing is spent.

        Parameters
        ----------
        tenant
            Who asks.
        question
            A digest of the query and its values.
        loss
            What the answer costs.
        answer
            What to tell the tenant if it has not asked this before.

        Raises
        ------
        BudgetError
            If too little is left. Nothing is spent then.
        """
        with self._reading(to_write=True) as connection:
            before = self._published(connection, tenant, question)
            if before is not None:
                return before
            self._check(tenant, loss)
            row = (self._known.number + 1, tenant, question, *_units(loss, ROUND_CEILING), answer)
            chain = _linked(self._known.chain, *row)
            connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, chain))
            connection.execute("UPDATE head SET number = ?, chain = ?", (row[0], chain))
            self._read(connection)
        return answer

    def _left(self, tenant: str) -> tuple[int, int]:
        epsilon, delta = self._totals.get(tenant, (0, 0))
        spent = self._known.spent.get(tenant, (0, 0))
        # A total may have been set lower than what was spent before.
        return max(0, epsilon - spent[0]), max(0, delta - spent[1])

    def _check(self, tenant: str, loss: Loss) -> None:
        if tenant not in self._totals:
            raise BudgetError(f"tenant {tenant!r} has no privacy budget, and this needs {loss}")
        left = self._left(tenant)
        if any(need > have for need, have in zip(_units(loss, ROUND_CEILING), left, strict=True)):
            epsilon, delta = _numbers(left)
            told = f"epsilon {epsilon:.6g}" + (f" and delta {delta:.6g}" if loss.delta else "")
            raise BudgetError(f"tenant {tenant!r} has {told} left, and this needs {loss}")

    def _published(
        self, connection: sqlite3.Connection, tenant: str, question: bytes
    ) -> bytes | None:
        found = connection.execute(
            "SELECT answer FROM entry WHERE tenant = ? AND question = ?", (tenant, question)
        ).fetchone()
        return None if found is None else bytes(found[0])

    @contextmanager
    def _reading(self, *, to_write: bool = False) -> Iterator[sqlite3.Connection]:
        """Connect within a transaction, having read and checked what is new in the file.

        A connection each time, since SQLite's must not be carried into a forked child.
        """
        try:
            with self._lock, closing(_connected(self._path)) as connection:
                before = self._known
                try:
                    connection.execute("BEGIN IMMEDIATE" if to_write else "BEGIN")
                    self._read(connection)
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    self._known = before
                    raise
        except sqlite3.Error as error:
            raise BudgetError(
                f"the privacy budget at {self._path} cannot be used: {_told(error)}"
            ) from error

    def _read(self, connection: sqlite3.Connection) -> None:
        number, chain, spent = self._known
        if number == 0:
            self._check_file(connection)
        spent = dict(spent)
        rows = connection.execute(
            "SELECT number, tenant, question, epsilon, delta, answer, chain FROM entry"
            " WHERE number > ? ORDER BY number",
            (number,),
        )
        for *row, link in rows:
            if row[0] != number + 1 or link != _linked(chain, *row):
                raise self._damaged()
            number, chain = row[0], link
            epsilon, delta = spent.get(row[1], (0, 0))
            spent[row[1]] = (epsilon + row[3], delta + row[4])
        if connection.execute("SELECT number, chain FROM head").fetchall() != [(number, chain)]:
            raise self._damaged()
        self._known = _Known(number, chain, spent)

    def _check_file(self, connection: sqlite3.Connection) -> None:
        marks = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        ]
        if marks != [_APPLICATION, _LAYOUT]:
            raise BudgetError(f"{self._path} is no privacy budget, or one of another version")
        if connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise self._damaged()

    def _damaged(self) -> BudgetError:
        return BudgetError(
            f"the privacy budget at {self._path} is damaged: what was spent is not known any more"
        )


def check_tenant(tenant: object) -> None:
    """Raise a `ConfigurationError` unless this can be a tenant's name."""
    check_instance("a tenant", tenant, str)
    assert isinstance(tenant, str)
    if not 0 < len(tenant) <= 200 or not tenant.isprintable():
        raise ConfigurationError(
            f"a tenant's name is of 1 to 200 printable characters, not {tenant[:50]!r}"
        )


def _path(given: object) -> Path:
    if not isinstance(given, str | os.PathLike) or not os.fsdecode(given).isprintable():
        raise ConfigurationError(f"the path of a budget must be a str or Path, not {shown(given)}")
    return Path(given).absolute()


def _connected(path: Path) -> sqlite3.Connection:
    """Open a file that is there: SQLite would make one that is not."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_SECONDS, isolation_level=None
    )
    try:
        # Forces the file, and the folder when the journal goes, before COMMIT returns.
        connection.execute("PRAGMA synchronous = EXTRA")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _units(loss: Loss, rounding: str) -> tuple[int, int]:
    """Return a loss as it is counted: what is spent is rounded up, and totals down."""
    epsilon, delta = (
        int(Decimal(str(each)).scaleb(digits).to_integral_value(rounding))
        for each, digits in zip((loss.epsilon, loss.delta), _DIGITS, strict=True)
    )
    return epsilon, delta


def _numbers(units: tuple[int, int]) -> tuple[float, float]:
    return units[0] / 10 ** _DIGITS[0], units[1] / 10 ** _DIGITS[1]


def _linked(
    chain: bytes, number: int, tenant: str, question: bytes, epsilon: int, delta: int, answer: bytes
) -> bytes:
    """Return the digest of an entry and, by `chain`, of all before it."""
    digest = hashlib.sha256(chain)
    name = tenant.encode("utf-8", "surrogatepass")
    for part in (str(number).encode(), name, question, str(epsilon).encode()):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    digest.update(f"{delta}:".encode())
    digest.update(answer)
    return digest.digest()


def _told(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
