"""Hears of changes in PostgreSQL by LISTEN, from triggers that NOTIFY."""

from __future__ import annotations

import json
import logging
import math
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augury.closing import Closing
from augury.errors import ConfigurationError, MissingExtraError
from augury.forks import renew_in_child
from augury.parameters import check_instance, check_number, shown

if TYPE_CHECKING:
    from sqlalchemy import URL

_log = logging.getLogger("augury.answers")

CHANNEL = "augury_changes"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds between attempts to connect


def notify_triggers(table: str, channel: str = CHANNEL) -> str:
    """Return SQL that has PostgreSQL tell of each statement that changes a table.

    Run it once, as the table's owner. After each statement that inserts, updates or deletes, the
    name of the table and how many rows that were are sent as the transaction commits; after a
    TRUNCATE, the name alone. Counting the rows costs some microseconds a thousand.

    Parameters
    ----------
    table
        Its name, with or without the schema.
    channel
        What it is sent by. By default ``augury_changes``.

    Raises
    ------
    ConfigurationError
        If a name is none that SQL takes without quotes.

    Examples
    --------
    >>> print(notify_triggers("flights").splitlines()[-1])
    CREATE TRIGGER augury_truncate AFTER TRUNCATE ON flights EXECUTE FUNCTION augury_notify();
    """
    check_instance("table", table, str)
    check_instance("channel", channel, str)
    for name in (*table.split("."), channel):
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{shown(name)} is no name of a table or channel without quotes"
            )
    # PostgreSQL sends equal notifications of a transaction once, so each has a number of its own.
    function = f"""CREATE OR REPLACE FUNCTION {_beside(table, "augury_notify")}() RETURNS trigger
LANGUAGE plpgsql AS $augury$
DECLARE
  changed bigint;
BEGIN
  IF TG_OP <> 'TRUNCATE' THEN
    SELECT count(*) INTO changed FROM augury_rows;
    IF changed = 0 THEN
      RETURN NULL;
    END IF;
  END IF;
  PERFORM pg_notify('{channel}', json_build_object('schema', TG_TABLE_SCHEMA,
    'table', TG_TABLE_NAME, 'rows', changed, 'id', gen_random_uuid())::text);
  RETURN NULL;
END
$augury$;"""  # nosec B608
    lines = [function]
    for event, rows in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"), ("TRUNCATE", "")):
        name = f"augury_{event.lower()}"
        lines.append(f"DROP TRIGGER IF EXISTS {name} ON {table};")
        seen = f" REFERENCING {rows} TABLE AS augury_rows" if rows else ""
        lines.append(
            f"CREATE TRIGGER {name} AFTER {event} ON {table}{seen} "
            f"EXECUTE FUNCTION {_beside(table, 'augury_notify')}();"
        )
    return "\n".join(lines)


def _beside(table: str, name: str) -> str:
    schema = table.rpartition(".")[0]
    return f"{schema}.{name}" if schema else name


class Listener(Closing):
    """Listens in a thread of its own, and connects again when the connection is lost.

    Parameters
    ----------
    url
        Of the database.
    changed
        Called with the name of a table and the number of rows that have changed, or None.
    missed
        Called whenever it has begun to listen: nobody knows what has changed before.
    channel
        What to listen to.
    trust
        Seconds for which what is kept is trusted after the server was last heard.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    MissingExtraError
        If psycopg is not installed.
    """

    def __init__(
        self,
        url: URL,
        changed: Callable[[str, int | None], Any],
        missed: Callable[[], Any],
        *,
        channel: str = CHANNEL,
        trust: float = 5.0,
    ) -> None:
        try:
            import psycopg  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError("psycopg", "answers") from None
        check_instance("channel", channel, str)
        if not _NAME.fullmatch(channel):
            raise ConfigurationError(f"{shown(channel)} is no name of a channel without quotes")
        check_number("trust", trust, unit="seconds")
        self._url = url
        self._changed = changed
        self._missed = missed
        self._channel = channel
        self._trust = trust
        self._closed = False
        self._bell = socket.socketpair()
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: connect and listen by a thread of its own."""
        self._heard = -math.inf
        for end in self._bell:
            end.close()
        self._bell = socket.socketpair()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self) -> bool:
        """Return whether changes until a moment ago have been heard of."""
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._closed:
                    self._thread = threading.Thread(
                        target=self._run, name="augury-listen", daemon=True
                    )
                    self._thread.start()
        return time.monotonic() - self._heard <= self._trust

    def close(self) -> None:
        """End the thread and its connection; what is kept is trusted no more."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._thread is not None:
            self._bell[1].send(b"x")
            self._thread.join(2 * self._trust)  # a server that hangs would hold it up
        if self._thread is None or not self._thread.is_alive():
            for end in self._bell:
                end.close()
        self._heard = -math.inf

    def _run(self) -> None:
        import psycopg

        pause = _FIRST_PAUSE
        given = self._url.translate_connect_args(username="user", database="dbname")
        given |= {name: text for name, text in self._url.query.items() if isinstance(text, str)}
        given |= {"connect_timeout": str(max(2, math.ceil(self._trust)))}
        while not self._closed:
            try:
                with psycopg.connect(**given, autocommit=True) as connection:
                    connection.add_notify_handler(self._notified)
                    connection.execute(f"LISTEN {self._channel}".encode())
                    self._missed()
                    pause = _FIRST_PAUSE
                    self._listen(connection)
            except Exception as error:
                # Whatever it was, what is kept is not trusted until the next attempt succeeds.
                _log.warning("not listening to PostgreSQL for changes: %s", str(error).strip())
            if not self._closed:
                select.select([self._bell[0]], [], [], pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _listen(self, connection: Any) -> None:
        while not self._closed:
            asked = time.monotonic()
            connection.execute(
                "SELECT 1"
            )  # whatever was sent before that arrives before its result
            self._heard = asked
            select.select([connection.fileno(), self._bell[0]], [], [], self._trust / 4)

    def _notified(self, notification: Any) -> None:
        try:
            told = json.loads(notification.payload)
            table, rows = told["table"], told.get("rows")
            if told.get("schema"):
                table = f"{told['schema']}.{table}"
        except (ValueError, TypeError, LookupError, AttributeError):
            self._missed()  # somebody else's words: something has changed
            return
        self._changed(table, rows if type(rows) is int and rows >= 0 else None)
