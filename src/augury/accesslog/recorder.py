"""Records what live caches are asked for, a sample of the keys, into rotating Parquet files."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from augury import _native
from augury.accesslog.log_thread import Listener, LogThread
from augury.accesslog.record import Losses
from augury.accesslog.rotation import Rotation
from augury.accesslog.rows import Attribute, Rows
from augury.closing import Closing
from augury.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MOST_ATTRIBUTES = 8


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """What a `Recorder` has done in this process.

    Every sampled access is in one of the other counts; what was dropped, refused or failed is in no
    file, and the metadata of the next file says so.
    """

    sampled: int
    """Accesses of keys in the sample."""
    written: int
    """Those in finished files."""
    waiting: int
    """Those on their way into one."""
    dropped: int
    """Those that came faster than they could be written: the ring was full."""
    refused: int
    """Those whose key has no stable encoding; see `augury.keys.register`."""
    failed: int
    """Those whose file could not be written: the disk was full, say."""
    files: int
    """Finished files."""


class Recorder(Closing):
    """Records the accesses of caches into a folder: `Cache(..., record=recorder)`.

    It costs a request whose key is not in the sample about a nanosecond. The others go to a bounded
    ring in memory, from which a thread of its own writes Parquet files; `augury.read_trace` reads
    the folder back, and docs/accesslog.md describes the columns. Leave it open for as long as the
    caches live; at the interpreter's exit it closes itself.

    Parameters
    ----------
    folder
        Where the files go, each cache's in a folder of its name. It is made if it is not there.
    sample
        Which share of the keys is recorded, from 0.0 to 1.0: every access of a sampled key, none of
        the others. By default a hundredth. Integers are in the sample of every process or of none;
        other keys are chosen anew by each, as Python's hashes are.
    secret
        1 to 64 bytes: every key is then recorded as its BLAKE2b digest keyed with these,
        ``augury.keys.digest(key, secret=secret)``, and nothing else of it leaves the process. By
        default integers and text are recorded as they are, and the rest as digests without a key.
        Sessions (`augury.session`) are recorded as integers and digests of 64 bits, and keyed with
        the secret, too, if there is one.
    rotate_bytes
        A file is finished once its rows take so many bytes in memory (default 16 MiB); on disk they
        take a fraction.
    rotate_seconds
        A file is finished once its first row is so old (default 300 seconds): as much is lost if
        the process is killed.
    keep
        How many finished files of a cache are kept (default 1000); the oldest are removed. None
        keeps all.
    attributes
        More about each request, by name: a `contextvars.ContextVar`, whose value at the request is
        recorded, or a function of the key, which is called in the background. They are written as
        text also where there is a secret. At most 8 context variables.
    ring
        How many accesses may wait for the thread (default 65,536, 3.5 MiB).
    listener
        Called in the thread with the name of a cache and a `Chunk` of its recorded reads, in their
        order: an `augury.sizing.LiveCurve`, for example. Nobody by default. One that raises is
        logged, and called no more.

    Raises
    ------
    ConfigurationError
        If a parameter has an impossible value, or the folder cannot be written to.
    MissingExtraError
        If pyarrow is not installed.

    Examples
    --------
    >>> import augury, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with Recorder(folder, sample=1.0) as recorder:
    ...     cache = augury.Cache(100, record=recorder)
    ...     cache.get(7), cache.set(7, "seven"), cache.get(7)
    (None, True, 'seven')
    >>> [chunk.keys.tolist() for chunk in augury.read_trace(folder).chunks()]
    [[7, 7]]
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        sample: float = 0.01,
        secret: bytes | None = None,
        rotate_bytes: int = 16 << 20,
        rotate_seconds: float = 300.0,
        keep: int | None = 1000,
        attributes: Mapping[str, Attribute] | None = None,
        ring: int = 1 << 16,
        listener: Listener | None = None,
    ) -> None:
        attributes = dict(attributes or {})
        _check(sample, secret, rotate_bytes, rotate_seconds, keep, ring)
        _check_attributes(attributes)
        if listener is not None and not callable(listener):
            raise ConfigurationError(f"listener must be callable, not {listener!r}")
        self._folder = Path(folder)
        rows = Rows(attributes, secret or b"")
        self._thread = LogThread(
            self._folder,
            _native.Recording(ring, sample, rows.variables),
            rows,
            Rotation(rotate_bytes, rotate_seconds, keep),
            sample=sample,
            pseudonymised=secret is not None,
            listener=listener,
        )
        weakref.finalize(self, self._thread.stop_soon).atexit = False

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return self._folder

    def named(self, name: str) -> NamedRecorder:
        """Return what a cache records by under a name: ``Cache(..., record=recorder.named("x"))``.

        Parameters
        ----------
        name
            Letters, digits, and ``_``, ``.`` and ``-`` within. The first cache without a name is
            called ``cache``, the next ``cache-2``. Caches of one name write one log.

        Raises
        ------
        ConfigurationError
            If this is no such name.
        """
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise ConfigurationError(
                f"a recorded cache's name is up to 100 letters, digits, _, . and -, not {name!r}"
            )
        return NamedRecorder(self, name)

    def flush(self) -> None:
        """Write all that was recorded so far, and finish the files."""
        self._thread.flush()

    def close(self) -> None:
        """Write what was recorded, and record nothing more; the caches go on without."""
        self._thread.close()

    def stats(self) -> RecorderStats:
        """Return what was recorded in this process so far, and what was not."""
        files = self._thread.files()
        written = sum(each.file.written for each in files)
        lost = [each.lost() for each in files]
        total = Losses(
            *(sum(getattr(one, field) for one in lost) for field in Losses.__annotations__)
        )
        sampled = sum(each.sampled for each in files)  # last, or less may be waiting than nothing
        return RecorderStats(
            sampled=sampled,
            written=written,
            waiting=sampled - written - total.total,
            dropped=total.dropped,
            refused=total.refused,
            failed=total.failed,
            files=sum(each.file.files for each in files),
        )

    def __repr__(self) -> str:
        return f"<Recorder to {str(self._folder)!r}>"


@dataclass(frozen=True, slots=True)
class NamedRecorder:
    """A `Recorder` and the name of a cache. Made by `Recorder.named`."""

    recorder: Recorder
    """Where the accesses go."""
    name: str
    """The cache's name."""


def attach(record: Recorder | NamedRecorder) -> tuple[_native.Recording, int]:
    """Return what a new cache records into, and the number that it is known by there.

    Raises
    ------
    ConfigurationError
        If this is no recorder, it is closed, or its folder cannot be written to.
    """
    if isinstance(record, NamedRecorder):
        return record.recorder._thread.attach(record.name)
    if isinstance(record, Recorder):
        return record._thread.attach(None)
    raise ConfigurationError(f"record must be an augury.accesslog.Recorder, not {record!r}")


def _check(
    sample: float,
    secret: bytes | None,
    rotate_bytes: int,
    rotate_seconds: float,
    keep: int | None,
    ring: int,
) -> None:
    if not _is_number(sample) or not 0.0 <= sample <= 1.0:
        raise ConfigurationError(f"sample must be from 0 to 1, not {sample!r}")
    if secret is not None and not (isinstance(secret, bytes) and 1 <= len(secret) <= 64):
        raise ConfigurationError("secret must be 1 to 64 bytes")  # and is not shown
    if not _is_number(rotate_seconds) or not rotate_seconds > 0:
        raise ConfigurationError(f"rotate_seconds must be more than 0, not {rotate_seconds!r}")
    counts = {"rotate_bytes": rotate_bytes, "ring": ring}
    if keep is not None:
        counts["keep"] = keep
    for name, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1 << 40:
            raise ConfigurationError(f"{name} must be a whole number from 1, not {count!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_attributes(attributes: Mapping[str, Attribute]) -> None:
    for name, source in attributes.items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise ConfigurationError(
                f"an attribute's name is up to 100 letters, digits, _, . and -, not {name!r}"
            )
        if not isinstance(source, ContextVar) and not callable(source):
            raise ConfigurationError(
                f"attribute {name!r} must be a ContextVar or a function of the key, not {source!r}"
            )
    if sum(isinstance(source, ContextVar) for source in attributes.values()) > _MOST_ATTRIBUTES:
        raise ConfigurationError(f"at most {_MOST_ATTRIBUTES} attributes may be context variables")
