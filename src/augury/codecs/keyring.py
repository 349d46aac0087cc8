"""Keys of encryption by their numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from augury.errors import ConfigurationError, CorruptValueError, MissingExtraError
from augury.parameters import check_instance

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
"""Bytes of a nonce: 96 bits, as NIST SP 800-38D wants them for GCM."""
_TAG = 16
_KEY = 32
_HIGHEST = 0xFFFF


class Keyring:
    """Keys of AES-256-GCM; the newest encrypts, the others still decrypt.

    To rotate, add a key under a higher number everywhere that reads, then where it is written; drop
    the old one when nothing written with it is left. A key should encrypt no more than 2**32
    values, the limit of NIST SP 800-38D for random nonces; nobody counts them for you.

    Parameters
    ----------
    keys
        Keys of 32 random bytes, such as of `secrets.token_bytes`, by their numbers from 1 to
        65,535. The highest number is the newest. A number is not secret.

    Raises
    ------
    ConfigurationError
        If there is no key, or a number or a length is another.
    MissingExtraError
        If the package ``cryptography`` is not installed.

    Examples
    --------
    >>> import secrets
    >>> old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    >>> Keyring({1: old, 2: new})
    Keyring(newest=2, older=[1])
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise MissingExtraError("cryptography", "security") from None
        check_instance("keys", keys, Mapping)
        if not keys:
            raise ConfigurationError("a keyring needs a key")
        for number, key in keys.items():
            if type(number) is not int or not 1 <= number <= _HIGHEST:
                raise ConfigurationError(f"a key's number is from 1 to {_HIGHEST}, not {number!r}")
            if not isinstance(key, bytes) or len(key) != _KEY:
                raise ConfigurationError(f"key {number} has to be {_KEY} bytes long")
        self._ciphers: dict[int, AESGCM] = {number: AESGCM(key) for number, key in keys.items()}
        self._invalid = InvalidTag
        self._newest = max(keys)

    @property
    def newest(self) -> int:
        """Number of the key that encrypts."""
        return self._newest

    def encrypt(self, data: bytes, associated: bytes) -> bytes:
        """Return a new nonce, the encrypted data, and a tag over these and `associated`."""
        nonce = os.urandom(NONCE)
        return nonce + self._ciphers[self._newest].encrypt(nonce, data, associated)

    def decrypt(self, number: int, data: memoryview, associated: bytes) -> bytes:
        """Return what was encrypted; raise `CorruptValueError` if that is not what was."""
        cipher = self._ciphers.get(number)
        if cipher is None:
            raise CorruptValueError(f"stored with key {number}, which is not in the keyring")
        if len(data) < NONCE + _TAG:
            raise CorruptValueError("the stored bytes are truncated")
        try:
            return cipher.decrypt(bytes(data[:NONCE]), data[NONCE:], associated)
        except self._invalid:
            raise CorruptValueError(
                "the stored bytes are damaged, tampered with, or of another context or key"
            ) from None

    def __repr__(self) -> str:
        older = sorted(self._ciphers.keys() - {self._newest})
        return f"Keyring(newest={self._newest}, older={older})"
