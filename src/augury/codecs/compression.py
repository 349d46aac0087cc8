"""zstd of one value, bounded on the way back."""

from __future__ import annotations

import threading
from typing import Any

from augury.errors import MissingExtraError

_RATIO = 1 << 15
"""No zstd frame grows more: a block of at most 128 KiB takes at least 4 bytes (RFC 8878)."""

_objects = threading.local()  # neither object may be used by two threads at a time


def compress(data: bytes) -> bytes:
    """Return a zstd frame that says how long its content is."""
    try:
        compressor = _objects.compressor
    except AttributeError:
        compressor = _objects.compressor = zstandard().ZstdCompressor(level=3)
    return bytes(compressor.compress(data))


def decompress(frame: memoryview, max_bytes: int) -> bytes:
    """Return the content; raise `ValueError` if the frame says that it has more than allowed."""
    library = zstandard()
    try:
        size = library.get_frame_parameters(frame).content_size
        if size > min(max_bytes, len(frame) * _RATIO):  # an unknown size is the highest of all
            raise ValueError("the compressed value is too big")
        try:
            decompressor = _objects.decompressor
        except AttributeError:
            decompressor = _objects.decompressor = library.ZstdDecompressor()
        return bytes(decompressor.decompress(frame, allow_extra_data=False))
    except library.ZstdError as error:
        raise ValueError(str(error)) from None


def zstandard() -> Any:
    """Return the library, or raise `MissingExtraError`."""
    try:
        import zstandard as library
    except ImportError:
        raise MissingExtraError("zstandard", "codecs") from None
    return library
