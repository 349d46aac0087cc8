"""Chooses a codec for a value, compresses, seals; and all that back."""

from __future__ import annotations

from typing import Any

from augury.codecs import compression
from augury.codecs import pickle as last_resort
from augury.codecs.envelope import COMPRESSED, SIGNED, Envelope
from augury.codecs.formats import BY_NUMBER, codec_of, full_name, msgpack
from augury.codecs.keyring import Keyring
from augury.errors import (
    CodecError,
    CorruptValueError,
    MissingExtraError,
)
from augury.parameters import check_instance, check_integer


class Serializer:
    """Turns values into bytes that may lie where others can damage them, and back.

    A value comes back equal and of the same type, all that it contains included, or it is refused
    when it is written. Bytes that are not what was written are refused when they are read; unless
    keys are given, this finds damage and mistakes, not attackers, who can write values of their
    own. Whatever the bytes are, reading them runs nothing. Threads may share a serializer.

    Parameters
    ----------
    compress_above
        Bytes of a payload above which zstd is tried, and kept if it makes fewer of them. None:
        never.
    keys
        Encrypt with these, and refuse to read what is not encrypted. None: do not encrypt.
    pickle
        A secret of 16 bytes or more: values that no codec takes are pickled and signed with it, and
        unpickled only if the signature fits. Who has it can run code wherever values are read.
        None: such values are refused, pickles too.
    max_bytes
        Longest payload, before compression, that is written or read.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range.
    MissingExtraError
        If compression is asked for, and the package ``zstandard`` is not installed.

    Examples
    --------
    >>> serializer = Serializer()
    >>> data = serializer.dumps({"id": 7, "tags": ("a", "b")}, context=b"user:7")
    >>> serializer.loads(data, context=b"user:7")
    {'id': 7, 'tags': ('a', 'b')}
    >>> serializer.loads(data, context=b"user:8")
    Traceback (most recent call last):
    augury.errors.CorruptValueError: the stored bytes are damaged or of another context
    """

    def __init__(
        self,
        *,
        compress_above: int | None = 1024,
        keys: Keyring | None = None,
        pickle: bytes | None = None,
        max_bytes: int = 1 << 30,
    ) -> None:
        if compress_above is not None:
            check_integer("compress_above", compress_above, least=0)
            compression.zstandard()
        check_integer("max_bytes", max_bytes)
        if keys is not None:
            check_instance("keys", keys, Keyring)
        self._compress_above = max_bytes if compress_above is None else compress_above
        self._max_bytes = max_bytes
        self._pickles = pickle is not None
        self._envelope = Envelope(keys, pickle)

    def reads_plain(self, size: int) -> bool:
        """Return whether it reads payloads of up to `size` bytes that are not encrypted."""
        return not self._envelope.encrypts and size <= self._max_bytes

    def dumps(self, value: Any, context: bytes = b"") -> bytes:
        """Return a value as bytes.

        Parameters
        ----------
        value
            What to write; nobody may change it meanwhile.
        context
            What it belongs to, such as its key and version: the bytes count as corrupt elsewhere.
            It is not stored.

        Raises
        ------
        CodecError
            If no codec restores the value exactly, or it is too long.
        MissingExtraError
            If a package is needed for the value that is not installed.
        """
        codec = codec_of(type(value)) or _DEFAULT
        number, flags = codec.NUMBER, 0
        try:
            payload = codec.encode(value)
        except CodecError:
            if not self._pickles:
                raise
            number, flags, payload = last_resort.NUMBER, SIGNED, last_resort.encode(value)
        if len(payload) > self._max_bytes:
            raise CodecError(
                f"a {full_name(type(value))} of {len(payload)} bytes is above max_bytes"
            )
        if len(payload) > self._compress_above:
            compressed = compression.compress(payload)
            if len(compressed) < len(payload):
                payload = compressed
                flags |= COMPRESSED
        return self._envelope.seal(number, flags, payload, context)

    def loads(self, data: bytes | memoryview, context: bytes = b"") -> Any:
        """Return the value that was written; it shares no memory with the bytes.

        Parameters
        ----------
        data
            What `dumps` returned, or anything else.
        context
            What was given to `dumps`.

        Raises
        ------
        CorruptValueError
            If the bytes are anything else than what this or a like serializer wrote for the
            context.
        MissingExtraError
            If a package is needed to read the value that is not installed.
        """
        number, flags, payload = self._envelope.open(data, context)
        if not flags & SIGNED and number in BY_NUMBER:
            decode = BY_NUMBER[number].decode
        elif flags & SIGNED and number == last_resort.NUMBER:
            decode = last_resort.decode
        else:
            raise CorruptValueError(f"the stored bytes are of codec {number}, unknown here")
        try:
            if flags & COMPRESSED:
                payload = memoryview(compression.decompress(payload, self._max_bytes))
            elif len(payload) > self._max_bytes:
                raise ValueError("the value is too big")
            return decode(payload)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever libraries say of bytes that they did not write
            raise CorruptValueError(f"the stored bytes are no value: {error}") from error


_DEFAULT = BY_NUMBER[msgpack.NUMBER]
