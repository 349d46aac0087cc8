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
    """Keys of AES-256-GCM; one encrypts, all decrypt.

    To rotate, add a key everywhere, while the old one still encrypts (`encrypts`); once all have
    it, let it encrypt; drop the old one when nothing written with it is left. Where it encrypts
    before all have it, the others miss what was written with it. A key should encrypt no more than
    2**32 values, the limit of NIST SP 800-38D for random nonces; nobody counts them for you.

    Parameters
    ----------
    keys
        Keys of 32 random bytes, such as of `secrets.token_bytes`, by their numbers from 1 to
        65,535. A number is not secret.
    encrypts
        Number of the key that encrypts. By default the highest.

    Raises
    ------
    ConfigurationError
        If there is no key, a number or a length is another, or the key that encrypts is missing.
    MissingExtraError
        If the package ``cryptography`` is not installed.

    Examples
    --------
    >>> import secrets
    >>> old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    >>> Keyring({1: old, 2: new}, encrypts=1)
    Keyring(encrypts=1, others=[2])
    >>> Keyring({1: old, 2: new})
    Keyring(encrypts=2, others=[1])
    """

    def __init__(self, keys: Mapping[int, bytes], *, encrypts: int | None = None) -> None:
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
        self._encrypts = max(keys) if encrypts is None else encrypts
        if self._encrypts not in self._ciphers:
            raise ConfigurationError(f"key {encrypts!r} is to encrypt, and not in the keyring")

    @property
    def encrypts(self) -> int:
        """Number of the key that encrypts."""
        return self._encrypts

    def encrypt(self, data: bytes, associated: bytes) -> bytes:
        """Return a new nonce, the encrypted data, and a tag over these and `associated`."""
        nonce = os.urandom(NONCE)
        return nonce + self._ciphers[self._encrypts].encrypt(nonce, data, associated)

    def decrypt(self, number: int, data: memoryview, associated: bytes) -> bytes:
        """Return what was encrypted.

        Parameters
        ----------
        number
            Of the key that encrypted.
        data
            What `encrypt` returned.
        associated
            What was passed to it besides.

        Raises
        ------
        CorruptValueError
            If that is not what was encrypted, or the keyring lacks the key.
        """
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
        others = sorted(self._ciphers.keys() - {self._encrypts})
        return f"Keyring(encrypts={self._encrypts}, others={others})"
