"""Who asks at present."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import index

from augury import _native
from augury.accesslog.chunk import NOBODY
from augury.errors import ConfigurationError


@contextmanager
def session(who: str | bytes | int) -> Iterator[None]:
    """Return a context in which somebody asks: ``with augury.session(user.id): ...``.

    What one client asks for next follows from what the same client asked for before. A
    `augury.accesslog.Recorder` writes the session of each access down, as a number or a digest of
    64 bits and never as text, so that prefetching can learn from it.

    It is a context variable: each thread and each asyncio task has its own, a task begins with
    that of the one that made it, and the inner one of two counts. Requests outside of any are
    nobody's.

    Parameters
    ----------
    who
        A user, client or connection: text, bytes, or an integer from -2**63 to 2**64 - 2. Text and
        its bytes in UTF-8 are the same session; ``7`` and ``"7"`` are two.

    Raises
    ------
    ConfigurationError
        If it is of another type, or the integer is larger.

    Examples
    --------
    >>> import augury
    >>> cache = augury.Cache(100)
    >>> with augury.session("user-1"):
    ...     cache.get("profile:1")
    """
    token = _native.SESSION.set(_checked(who))
    try:
        yield
    finally:
        _native.SESSION.reset(token)


def _checked(who: object) -> str | bytes | int:
    """Return who asks as one of the types themselves, of which no method can be replaced."""
    if isinstance(who, str):
        return str.__str__(who)
    if isinstance(who, bytes):
        return bytes(memoryview(who))
    try:
        number = index(who)  # type: ignore[arg-type]
    except Exception:
        number = None
    if number is None or isinstance(who, bool):
        raise ConfigurationError(
            f"a session is text, bytes or an integer, not {type(who).__name__}; "
            "give it the client's or user's name or number"
        )
    if not -(2**63) <= number < NOBODY:
        raise ConfigurationError(
            "a session's integer is from -2**63 to 2**64 - 2; write a larger one as text"
        )
    return number
