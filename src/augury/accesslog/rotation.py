"""Rows of one cache on their way into files that are either whole or not there."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from augury.accesslog.record import SCHEMA, SUFFIX, Losses, Metadata, pyarrow

_log = logging.getLogger("augury.accesslog")

_UNFINISHED = ".unfinished"
_ABANDONED_AFTER = 3600.0  # seconds; writing a file takes a few
_COMPRESSIONS = ("zstd", "snappy")  # pyarrow may be built without one


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is finished, and how many are kept."""

    bytes: int
    seconds: float
    keep: int | None


class RotatingFile:
    """The rows of one cache, in memory until there are enough for a file.

    A Parquet file cannot be read before its end is written, so a file that grew on disk would save
    nothing from a crash; written at once it is on disk for a moment only under a temporary name.

    Parameters
    ----------
    folder
        Where the files are; it is made.
    describe
        The metadata that all files share.
    rotation
        When a file is finished.

    Raises
    ------
    OSError
        If the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, describe: Metadata, rotation: Rotation) -> None:
        self.folder = folder
        self.files = 0
        """Finished files."""
        self.written = 0
        """Rows in them."""
        self.failed = 0
        """Rows that could not be written."""
        self._describe = describe
        self._rotation = rotation
        self._batches: list[Any] = []
        self._bytes = 0
        self._begun = 0.0  # by the monotonic clock, in seconds
        self._offset = 0
        self._told = Losses()
        self._warned = False
        folder.mkdir(parents=True, exist_ok=True)
        probe = self._unfinished("probe")
        probe.touch()
        probe.unlink()
        self._remove_abandoned()

    @property
    def waiting(self) -> int:
        """Rows that are in no file yet."""
        return sum(map(len, self._batches))

    def offset(self) -> int:
        """Return what makes times of the monotonic clock's, for the rows of the next `append`.

        It is one number for a whole file: where the system's clock is set, times jump between files
        and never within one.
        """
        if not self._batches:
            self._begun = time.monotonic()
            self._offset = _clocks_apart()
        return self._offset

    def append(self, batch: Any) -> None:
        """Add rows, in the order of time."""
        self._batches.append(batch)
        self._bytes += batch.nbytes

    def is_due(self) -> bool:
        """Whether the rows are enough, or old enough, for a file."""
        return bool(self._batches) and (
            self._bytes >= self._rotation.bytes
            or time.monotonic() - self._begun >= self._rotation.seconds
        )

    def finish(self, lost: Losses) -> None:
        """Write a file of the rows there are; nothing if there are none.

        If that fails the rows are given up and counted, and the first time there is a warning in
        the log ``augury.accesslog``.

        Parameters
        ----------
        lost
            Accesses that are in no file so far, without those whose files could not be written.
        """
        if not self._batches:
            return
        batches, self._batches, self._bytes = self._batches, [], 0
        rows = sum(map(len, batches))
        lost = Losses(lost.dropped, lost.refused, self.failed)
        try:
            self._write(batches, lost)
        except Exception as error:
            self.failed += rows
            level = logging.DEBUG if self._warned else logging.WARNING
            self._warned = True
            _log.log(
                level,
                "cannot write the access log to %s: %s; such rows are counted as failed",
                self.folder,
                error,
            )
            return
        self._told = lost
        self.files += 1
        self.written += rows
        self._remove_oldest()

    def _write(self, batches: list[Any], lost: Losses) -> None:
        pa = pyarrow()
        started, ended = batches[0]["time"][0].value, batches[-1]["time"][-1].value
        describe = Metadata(
            schema=SCHEMA,
            cache=self._describe.cache,
            session=self._describe.session,
            file=self.files,
            sample=self._describe.sample,
            pseudonymised=self._describe.pseudonymised,
            started=started,
            ended=ended,
            offset=self._offset,
            lost=Losses(
                lost.dropped - self._told.dropped,
                lost.refused - self._told.refused,
                lost.failed - self._told.failed,
            ),
        )
        table = pa.Table.from_batches(batches).replace_schema_metadata(describe.footer())
        moment = datetime.fromtimestamp(started / 1e9, UTC)
        name = f"{moment:%Y%m%dT%H%M%S%f}-{describe.session}-{describe.file:06}"
        unfinished = self._unfinished(name)
        try:
            compression = next(filter(pa.Codec.is_available, _COMPRESSIONS))
            pa.parquet.write_table(
                table, str(unfinished), compression=compression, write_page_checksum=True
            )
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(self.folder / (name + SUFFIX))
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise

    def _unfinished(self, name: str) -> Path:
        return self.folder / f".{name}-{self._describe.session}{_UNFINISHED}"

    def _remove_oldest(self) -> None:
        if self._rotation.keep is None:
            return
        # Names begin with the time.
        finished = sorted(path.name for path in self.folder.glob("*" + SUFFIX))
        for name in finished[: -self._rotation.keep]:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()

    def _remove_abandoned(self) -> None:
        """Remove what processes left behind that were killed while they wrote."""
        for path in self.folder.glob(".*" + _UNFINISHED):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                    path.unlink()


def _clocks_apart() -> int:
    """Return by how many nanoseconds the system's clock is ahead of the monotonic one."""
    readings = []
    for _ in range(5):  # the thread may lose its processor between two of them
        before, now, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, now - (before + after) // 2))
    return min(readings)[1]
