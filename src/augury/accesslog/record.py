"""What a recorded file holds: its columns, and the metadata in its footer."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from augury.errors import MissingExtraError, TraceError

SUFFIX = ".accesslog.parquet"
"""What the names of finished files end with."""

OPERATIONS = ("get", "set", "delete", "load")
"""In the order of `Operation` in native/cache/access_ring.hpp."""

ACCESS = np.dtype(
    [
        ("time", np.int64),
        ("sequence", np.uint64),
        ("size", np.uint64),
        ("latency", np.int64),
        ("source", np.uint32),
        ("operation", np.uint8),
        ("hit", np.bool_),
        ("unused", "V2"),
    ]
)
"""The bytes of one `Access` of native/cache/access_ring.hpp."""

SCHEMA = 1
"""Version of the columns and the metadata; readers refuse a later one."""

ATTRIBUTE = "attribute."
"""What the name of an attribute's column begins with."""

_FOOTER = b"augury"


class Losses(msgspec.Struct):
    """Sampled accesses that are in no file."""

    dropped: int = 0
    """Because the ring was full: they came faster than they were written."""
    refused: int = 0
    """Because their key has no stable encoding."""
    failed: int = 0
    """Because a file could not be written."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.dropped + self.refused + self.failed


class Metadata(msgspec.Struct):
    """What is known about a file as a whole."""

    schema: int
    cache: str
    """The name of the cache."""
    session: str
    """Random; each process that records has its own."""
    file: int
    """Counts the files of the session, from 0."""
    sample: float
    """Which share of the keys is recorded."""
    pseudonymised: bool
    """Whether keys are digests that only a secret can make."""
    started: int
    """Nanoseconds since 1970 by the system's clock, as all times: not after the first row."""
    ended: int
    """Not before the last row."""
    offset: int
    """What was added to the monotonic clock to make the times."""
    lost: Losses
    """Since the file before, or the session's beginning."""

    def footer(self) -> dict[bytes, bytes]:
        """Return it as metadata of an Arrow schema."""
        return {_FOOTER: msgspec.json.encode(self)}


def metadata_of(path: object, footer: dict[bytes, bytes] | None) -> Metadata:
    """Read the metadata of an Arrow schema.

    Raises
    ------
    TraceError
        If there is none, or of a later version.
    """
    try:
        found = msgspec.json.decode((footer or {})[_FOOTER], type=Metadata)
    except (KeyError, msgspec.DecodeError):
        raise TraceError(f"{path}: was not written by augury.accesslog.Recorder") from None
    if found.schema > SCHEMA:
        raise TraceError(
            f"{path}: has version {found.schema} of the schema, and this is only {SCHEMA}; "
            "install a later Augury"
        )
    return found


def pyarrow() -> Any:
    """Import pyarrow, with pyarrow.parquet.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("pyarrow", "traces") from None
    return pa
