"""Values to bytes, and bytes to digests."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NoReturn

from augury.errors import ConfigurationError, KeyEncodingError
from augury.keys.dispatch import ENCODERS, TOO_DEEP, Unencodable
from augury.keys.format import FORMAT, Chunk, Output, text

ROOM = 150
"""How many levels deep values may be nested: below what Python's own recursion limit allows."""

_LARGE = 1 << 14
_STEPS_SHOWN = 8


_PLAIN = blake2b(digest_size=16)


class Digest(Output):
    """Hashes large buffers where they lie, so that a key of a large value needs no copy of it."""

    __slots__ = ("_hash",)
    _hash: blake2b

    @classmethod
    def start(cls, size: int = 16, secret: bytes = b"") -> Digest:
        """Return a digest of the format's first byte so far."""
        output = cls((FORMAT,))
        output._hash = _PLAIN.copy() if size == 16 and not secret else _keyed(size, secret)
        return output

    def stream(self, chunk: Chunk) -> None:
        """Hash a large buffer at once, keep a small one."""
        self.append(chunk)
        if len(chunk) >= _LARGE:
            self._flush()

    def _flush(self) -> None:
        last = self.pop()
        self._hash.update(b"".join(self))
        self._hash.update(last)
        self.clear()

    def value(self) -> bytes:
        """Return the digest of all that was written."""
        self._hash.update(b"".join(self))
        return self._hash.digest()


def _keyed(size: int, secret: bytes) -> blake2b:
    if not (16 <= size <= 64 and len(secret) <= 64):
        raise ConfigurationError(
            f"a digest has 16 to 64 bytes, and its secret at most 64; not {size} and {len(secret)}"
        )
    return blake2b(digest_size=size, key=secret)


def encode(value: Any) -> bytes:
    r"""Return bytes that stand for a value: the same in every process and on every machine.

    Values of unequal types never have the same encoding, nor do values of a type that a function
    could tell apart. No encoding is the beginning of another.

    Parameters
    ----------
    value
        The value; `docs/keys.md` lists the types.

    Returns
    -------
    bytes
        The encoding, as long as the value: `digest` is short.

    Raises
    ------
    KeyEncodingError
        If there is no stable encoding; the text names the place, as in ``value.filters[2]``.

    Examples
    --------
    >>> encode({"b": 1.5, "a": [None, True]})
    b'\x01{s1:a[nt]s1:bd\x00\x00\x00\x00\x00\x00\xf8?}'
    >>> encode(1) == encode(1.0)
    False
    >>> encode({"filters": [1, object()]})  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    augury.errors.KeyEncodingError: value['filters'][1]: cannot make a stable key from <class
    'object'>; register it with augury.keys.register
    """
    output = Output((FORMAT,))
    write(value, output)
    return b"".join(output)


def digest(value: Any, *, size: int = 16, secret: bytes = b"") -> bytes:
    """Return a short key for a value: the BLAKE2b digest of its encoding.

    Parameters
    ----------
    value
        The value, as for `encode`. Large buffers are hashed where they lie, without a copy.
    size
        Bytes in the digest, 16 (default) to 64. With 16, a billion keys collide by accident with
        probability 1e-21.
    secret
        Up to 64 bytes, without which nobody can compute the key of a value that he guesses. By
        default none.

    Raises
    ------
    KeyEncodingError
        As `encode`.
    ConfigurationError
        If `size` or `secret` is out of range.

    Examples
    --------
    >>> digest(("user", 42)).hex()
    '62c4fc36ee199240ecdc30d47d593648'
    """
    output = Digest.start(size, secret)
    write(value, output)
    return output.value()


def arguments_key(*args: Any, **kwargs: Any) -> bytes:
    """Return a key for the arguments of a call, also of values that cannot be hashed.

    Give it as `key` to `augury.cached` where arguments are arrays, frames, dicts or lists.
    It is the digest of ``(args, kwargs)``. It tells an argument given by name from the same
    argument given by position; `call_key` does not.

    Raises
    ------
    KeyEncodingError
        As `encode`; the text names the argument.

    Examples
    --------
    >>> import augury
    >>> @augury.cached(key=arguments_key)
    ... def total(numbers):
    ...     return sum(numbers)
    >>> total([1, 2, 3]), total([1, 2, 3]), total.cache_info().hits
    (6, 6, 1)
    """
    output = Digest.start()
    output.append(b"((")
    for index, value in enumerate(args):
        write(value, output, f"argument {index}")
    output.append(b"){")
    for key, name in sorted((text(name), name) for name in kwargs):
        output.append(key)
        write(kwargs[name], output, f"argument {name!r}")
    output.append(b"})")
    return output.value()


def write(value: Any, output: Output, place: str = "value") -> None:
    """Write a value; `place` is what errors call it."""
    try:
        ENCODERS[type(value)](value, output, ROOM)
    except Unencodable as error:
        _raise(error, place)
    except RecursionError:
        raise KeyEncodingError(
            f"{place}: nested too deeply for Python's recursion limit; key it by a part of it"
        ) from None


def _raise(error: Unencodable, place: str) -> NoReturn:
    path, trail, reason = error.path[::-1], error.trail[::-1], str(error)
    if reason == TOO_DEEP:
        reason = f"nested more than {ROOM} levels deep; key it by a part of it"
        seen: set[int] = set()
        for depth, value in enumerate(trail):
            if id(value) in seen:
                path, reason = path[:depth], "contains itself; key it by a part of it"
                break
            seen.add(id(value))
    steps = "".join(path[:_STEPS_SHOWN]) + ("..." if len(path) > _STEPS_SHOWN else "")
    raise KeyEncodingError(f"{place}{steps}: {reason}") from None
