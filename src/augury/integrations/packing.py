"""Values as they are kept, so that whoever changes one changes it for himself only."""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

from augury.codecs import Serializer
from augury.errors import CodecError, CorruptValueError
from augury.loading import NOTHING

# What nobody can change is kept as it is; all else as bytes. A value of bytes is packed, too: bytes
# that are kept are always packed.
_AS_IT_IS = (int, float, str, bool, type(None))


class Packing:
    """Packs values and unpacks them, each under its key.

    Parameters
    ----------
    leaves
        Whether what is packed leaves this process. If not, it is pickled.
    secret
        Signs what only pickle can carry, of what leaves. None: such values are refused.

    Examples
    --------
    >>> packing = Packing(leaves=True)
    >>> packing.pack("key", 7)
    7
    >>> packing.unpack("key", packing.pack("key", [7]))
    [7]
    """

    def __init__(self, *, leaves: bool, secret: str | None = None) -> None:
        self._serializer: Serializer | None = None
        if leaves:
            signs = None if secret is None else f"augury.integrations {secret}".encode()
            self._serializer = Serializer(
                compress_above=None,  # the tiers do
                pickle=None if signs is None else hashlib.sha256(signs).digest(),
            )

    def pack(self, key: str, value: Any) -> Any:
        """Return what to keep.

        Raises
        ------
        CodecError
            If no codec carries the value.
        pickle.PickleError
            If pickle refuses it.
        """
        if type(value) in _AS_IT_IS:
            return value
        if self._serializer is None:
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        try:
            return self._serializer.dumps(value, context=key.encode())
        except CodecError as error:
            if isinstance(error.__cause__, pickle.PickleError):
                raise error.__cause__ from None  # as frameworks expect of their own caches
            raise

    def unpack(self, key: str, kept: Any, default: Any = None) -> Any:
        """Return the value of what was kept; the default, if that is `NOTHING` or unreadable."""
        if not isinstance(kept, bytes):
            return default if kept is NOTHING else kept
        if self._serializer is None:
            return pickle.loads(kept)  # nosec B301
        try:
            return self._serializer.loads(kept, context=key.encode())
        except CorruptValueError:  # signed with another secret, say
            return default
