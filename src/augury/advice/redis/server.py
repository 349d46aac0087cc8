"""A connection to the server that is looked at: every failure is one clear line."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from augury.errors import ConfigurationError, MissingExtraError, SourceError

if TYPE_CHECKING:
    import redis

_TIMEOUT = 5.0  # seconds, for connecting and each reply
_MOST = 1 << 53


def within(number: int) -> int:
    """Return a number that a server told as one that can be: sizes and counts have an end."""
    return min(max(number, 0), _MOST)


class RefusedError(SourceError):
    """The server does not let this user run a command, or does not know it."""


class Server:
    """One Redis or Valkey server, asked politely; it writes nothing.

    Parameters
    ----------
    url
        As of redis-py: ``redis://user:password@host:port/database``, ``rediss://`` for TLS,
        ``unix://``.

    Raises
    ------
    MissingExtraError
        If redis-py is not installed.
    ConfigurationError
        If the URL is none. Its text never has the URL in it, which may hold a password.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtraError("redis", "redis") from error
        try:
            self._client: redis.Redis = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                decode_responses=False,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                single_connection_client=False,
            )
        except Exception:
            raise ConfigurationError(
                "the URL must be redis://[user:password@]host[:port][/database], rediss:// (TLS)"
                " or unix://path"
            ) from None
        with contextlib.suppress(AttributeError):  # some replies are then as the server sends them
            self._client.response_callbacks.clear()
        known = self._client.connection_pool.connection_kwargs
        self.database = int(known.get("db") or 0)
        """The one that is looked at."""
        where = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
        self.name = f"{where}/{self.database}"
        """Where it is, without the password."""

    def ask(self, *arguments: str | bytes | int) -> Any:
        """Return the reply to a command.

        Raises
        ------
        RefusedError
            If the server does not let this user run it, or does not know it.
        SourceError
            If it does not answer, or not as Redis does.
        """
        [reply] = self.ask_many([arguments])
        if isinstance(reply, Exception):
            raise self._refusal(arguments[0], reply)
        return reply

    def ask_many(self, commands: Sequence[Sequence[str | bytes | int]]) -> list[Any]:
        """Return the replies to commands sent at once; a refusal is an exception among them."""
        with self._failures():
            pipeline = self._client.pipeline(transaction=False)
            for each in commands:
                pipeline.execute_command(*each)  # type: ignore[no-untyped-call]
            return list(pipeline.execute(raise_on_error=False))

    def info(self) -> dict[str, str]:
        """Return what INFO says."""
        with self.understood():
            told: bytes = self.ask("INFO")
            found = {}
            for line in told.decode("utf-8", "replace").splitlines():
                name, colon, value = line.partition(":")
                if colon and not line.startswith("#"):
                    found[name] = value
        if not found.get("redis_version") and not found.get("valkey_version"):
            raise SourceError(f"{self.name} answers INFO, but not as Redis or Valkey does")
        return found

    @contextlib.contextmanager
    def understood(self) -> Iterator[None]:
        """Read replies in the block: what is not of the form that Redis gives them is its fault."""
        try:
            yield
        except (TypeError, ValueError, AttributeError) as error:
            raise SourceError(f"{self.name} does not answer as a Redis server does") from error

    @contextlib.contextmanager
    def monitor(self) -> Iterator[socket.socket]:
        """Send MONITOR, and yield the socket that its reply comes from; close it in the end.

        The connection is closed whatever happens, which ends MONITOR in the server.
        """
        with self._failures():
            connection = self._client.connection_pool.get_connection()
        try:
            with self._failures():
                connection.connect()  # type: ignore[no-untyped-call]
                connection.send_command("MONITOR")  # type: ignore[no-untyped-call]
                # redis-py reads it line by line, and slower than a busy server writes it, which
                # would then keep what is not read in its memory.
                reading: Any = connection._sock
            yield reading
        finally:
            connection.disconnect()  # type: ignore[no-untyped-call]
            self._client.connection_pool.release(connection)

    def close(self) -> None:
        """Close all connections."""
        with contextlib.suppress(Exception):
            self._client.close()

    def _refusal(self, name: str | bytes | int, error: Exception) -> SourceError:
        said = str(error).partition("\n")[0]
        if said.startswith(("NOAUTH", "WRONGPASS")):
            return SourceError(f"{self.name} does not accept this user and password")
        return RefusedError(f"{self.name} refuses {name!s}: {said[:200]}")

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        import redis

        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.AuthenticationWrongNumberOfArgsError):
            raise SourceError(f"{self.name} does not accept this user and password") from None
        except redis.TimeoutError:
            raise SourceError(f"{self.name} does not answer within {_TIMEOUT:g} seconds") from None
        except (redis.InvalidResponse, RecursionError):
            raise SourceError(f"{self.name} does not answer as a Redis server does") from None
        except redis.ResponseError as error:
            raise self._refusal("the connection", error) from None
        except (redis.RedisError, OSError) as error:
            reason = str(error).partition("\n")[0][:200] or type(error).__name__
            raise SourceError(f"{self.name} cannot be reached: {reason}") from None
