"""What is around a stored value: whose it is, how it was written, and that it is whole.

::

    offset  bytes
    0       3      F5 41 75, no text in UTF-8 and no pickle begins so
    3       1      version of this layout: 1
    4       1      number of the codec
    5       1      flags: 1 compressed, 2 encrypted, 4 signed
    6       2      number of the key, little-endian; 0 if not encrypted
    8              the payload; compressed, then signed, then encrypted

A signature is HMAC-SHA256 behind the payload. Encrypted is AES-256-GCM: nonce, text, tag. Whatever
is neither has xxh3-128 of it behind. All three are of this header, the length of the context (4
bytes, little-endian), the context and the payload.
"""

from __future__ import annotations

import hmac
from struct import Struct

from xxhash import xxh3_128

from augury.codecs.keyring import Keyring
from augury.errors import ConfigurationError, CorruptValueError

MAGIC = b"\xf5Au"
VERSION = 1
COMPRESSED, ENCRYPTED, SIGNED = 1, 2, 4

_header = Struct("<3sBBBH")
_HEADER = _header.size
_length = Struct("<I")
_SHORTEST_SECRET = 16
_CHECKSUM = 16
_SIGNATURE = 32


class Envelope:
    """Seals payloads, and opens what it or its like has sealed.

    Parameters
    ----------
    keys
        Encrypt with these, and open nothing that is not encrypted; None: never.
    secret
        Sign with these 16 bytes or more what is to be signed; None: open nothing signed.
    """

    def __init__(self, keys: Keyring | None, secret: bytes | None) -> None:
        if secret is not None and (not isinstance(secret, bytes) or len(secret) < _SHORTEST_SECRET):
            raise ConfigurationError(f"a secret is {_SHORTEST_SECRET} bytes or more")
        self._keys = keys
        self._secret = secret
        self._flags = 0 if keys is None else ENCRYPTED
        self._key = 0 if keys is None else keys.encrypts

    @property
    def encrypts(self) -> bool:
        """Whether what it seals, and all that it opens, is encrypted."""
        return self._keys is not None

    def seal(self, codec: int, flags: int, payload: bytes, context: bytes) -> bytes:
        """Return the envelope of a payload; of the flags `ENCRYPTED` is added here."""
        flags |= self._flags
        header = _header.pack(MAGIC, VERSION, codec, flags, self._key)
        bound = _bound(header, context)
        if not flags & (ENCRYPTED | SIGNED):
            checksum = xxh3_128(bound)
            checksum.update(payload)
            return b"".join((header, payload, checksum.digest()))
        if flags & SIGNED:
            payload += self._signature(bound, payload)
        if self._keys is not None:
            payload = self._keys.encrypt(payload, bound)
        return header + payload

    def open(self, data: bytes | memoryview, context: bytes) -> tuple[int, int, memoryview]:
        """Return codec, flags and payload; raise `CorruptValueError` if they are not whole."""
        header = bytes(data[:_HEADER])
        if header[:3] != MAGIC or len(data) < _HEADER:
            raise CorruptValueError("the stored bytes were not written by Augury")
        _, version, codec, flags, key = _header.unpack(header)
        if version != VERSION or flags & ~(COMPRESSED | ENCRYPTED | SIGNED):
            raise CorruptValueError("the stored bytes are damaged or of a newer version of Augury")
        bound = _bound(header, context)
        if flags & (ENCRYPTED | SIGNED):
            payload = memoryview(data)[_HEADER:]
        else:
            payload = memoryview(data)[_HEADER:-_CHECKSUM]
            checksum = xxh3_128(bound)
            checksum.update(payload)
            if checksum.digest() != bytes(data[-_CHECKSUM:]):
                raise CorruptValueError("the stored bytes are damaged or of another context")
        if self._keys is not None or flags & ENCRYPTED or key:
            payload = self._decrypted(flags, key, bound, payload)
        if flags & SIGNED:
            payload = self._verified(bound, payload)
        return codec, flags, payload

    def _decrypted(self, flags: int, key: int, bound: bytes, payload: memoryview) -> memoryview:
        if not flags & ENCRYPTED:
            raise CorruptValueError(
                "the stored bytes are damaged"
                if self._keys is None
                else "the stored bytes are not encrypted, as the keys demand"
            )
        if self._keys is None:
            raise CorruptValueError("the stored bytes are encrypted, and no keys were given")
        return memoryview(self._keys.decrypt(key, payload, bound))

    def _verified(self, bound: bytes, payload: memoryview) -> memoryview:
        if self._secret is None:
            raise CorruptValueError("the stored bytes are a pickle, and no secret was given")
        content, signature = payload[:-_SIGNATURE], payload[-_SIGNATURE:]
        if not hmac.compare_digest(self._signature(bound, content), signature):
            raise CorruptValueError("the stored bytes were not signed with this secret")
        return content

    def _signature(self, bound: bytes, payload: bytes | memoryview) -> bytes:
        assert self._secret is not None  # for whoever asks to sign
        signature = hmac.new(self._secret, bound, "sha256")
        signature.update(payload)
        return signature.digest()


def _bound(header: bytes, context: bytes) -> bytes:
    return header + _length.pack(len(context)) + context
