"""libCacheSim's oracleGeneral: 24-byte records u32 time, u64 key, u32 size, i64 next access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from augury.accesslog.chunk import LONGEST, Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.malformed import Malformed
from augury.errors import TraceError

RECORD = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])
"""One request. `next` is the index of the key's next access, or -1 if there is none."""

_FURTHEST = 1 << 48
_NEVER = 2**63 - 1


def _plausible(records: NDArray[np.void]) -> NDArray[np.bool_]:
    # -2 and the largest integer also stand for "never" in published traces. Whether `next` is
    # right is not asked: nothing reads it, and cut and sampled traces keep the original's.
    following: NDArray[np.int64] = records["next"]
    plausible: NDArray[np.bool_] = (following >= -2) & (following < _FURTHEST)
    plausible |= following == _NEVER
    return plausible


def _likelihood(head: Head) -> float:
    if head.is_text:
        return 0.0
    named = "oraclegeneral" in head.name
    records = np.frombuffer(head.data, RECORD, len(head.data) // RECORD.itemsize)
    if len(records) == 0:
        return 0.5 if named else 0.0
    ordered = np.mean(np.diff(records["time"].astype(np.int64)) >= 0) if len(records) > 1 else 1.0
    if np.mean(_plausible(records)) < 0.99 or ordered < 0.9:
        return 0.3 if named else 0.0
    return 0.9


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    first = 1
    while data := stream.read(LONGEST * RECORD.itemsize):
        whole, rest = divmod(len(data), RECORD.itemsize)
        records = np.frombuffer(data, RECORD, whole)
        good = _plausible(records)
        malformed.saw(whole)
        if not good.all():
            bad = np.flatnonzero(~good)
            malformed.add_each(
                first + bad,
                lambda i, bad=bad, all=records: str(all[bad[i]]),  # type: ignore[misc]
                "its last field is no index of a next access",
            )
            records = records[good]
        yield Chunk(
            records["key"].astype(np.uint64),
            records["size"].astype(np.uint64),
            records["time"].astype(np.float64),
        )
        first += whole
        if rest and malformed.share < 0.5:  # otherwise these are no records in the first place
            raise TraceError(
                f"{stream.path}: truncated: the last record, number {first:,}, has {rest} of "
                f"{RECORD.itemsize} bytes (at byte {stream.position - rest:,}); "
                f"cut these off or fetch the file anew"
            )


FORMAT = Format(
    name="oracleGeneral",
    title="libCacheSim's 24-byte records: time, key, size, next access",
    likelihood=_likelihood,
    read=_read,
)
