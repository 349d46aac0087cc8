"""What `augury.Cache` can do for a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar, cast

from augury.accesslog import InMemoryTrace, Trace, read_trace, requests_of
from augury.codecs import Serializer
from augury.loading import DEFAULT, Default, Ttl
from augury.snapshot.loading import LoadReport, load
from augury.snapshot.saving import SaveReport, save
from augury.snapshot.warming import WarmReport, warm
from augury.sources import Source

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Restarts(Generic[K, V]):
    """Keeps a restart from beginning cold: the part of `augury.Cache` that knows files and logs."""

    __slots__ = ()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        serializer: Serializer | None = None,
        skip: bool = False,
        progress: Callable[[float], object] | None = None,
    ) -> SaveReport:
        """Write the entries and what was learned to a file, for `load` after a restart.

        The file has the entries of one moment, with what remains of their times to live, their
        weights and the order in which they would leave; and the model in use with what the policy
        has found out. It has the mode 0600, and is there as a whole or not at all. Other threads
        may use the cache meanwhile; values must not be changed while they are written.

        Parameters
        ----------
        path
            The file; one that is there is replaced in the end.
        serializer
            Turns keys and values into bytes, and compresses or encrypts them if it is made so. By
            default a plain `augury.codecs.Serializer` without compression; neither runs pickle
            unless it was given a secret for that.
        skip
            Whether to leave out entries whose key or value no codec carries, and count them.
        progress
            Called now and then with the share of the entries that was written, from 0.0 to 1.0.

        Returns
        -------
        SaveReport
            How many entries and bytes were written.

        Raises
        ------
        CodecError
            If an entry cannot be written; the text names its key. Not with ``skip=True``.
        SnapshotError
            If there is something else than a file at the path, such as a folder or device.
        OSError
            If the file cannot be written. The file that was there stays then, as it does whenever
            this does not return.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from augury import Cache
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "users.snapshot"
        >>> cache = Cache(100, policy="lru")
        >>> cache.update({"ada": 1, "bob": 2})
        >>> cache.save(path).entries
        2
        >>> restarted = Cache(100, policy="lru")
        >>> restarted.load(path).stored, restarted["ada"]
        (2, 1)
        """
        return save(cast("Any", self), path, serializer=serializer, skip=skip, progress=progress)

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        serializer: Serializer | None = None,
        skip: bool = False,
        progress: Callable[[float], object] | None = None,
    ) -> LoadReport:
        """Fill the cache from a file that `save` has written.

        The cache may have another capacity, policy or weigher: as much goes in as there is room
        for, and what would have left last comes first. What is in it stays, newer than the file as
        it is. Time has gone on by the system's clock since the file was saved: what has expired
        meanwhile is left out. Whether values are still those of your source, the file does not
        know: give entries a time to live.

        A policy like the one that was saved goes on as that would have. The model of the file is
        used if the policy has a use for it and the cache has none.

        Parameters
        ----------
        path
            The file.
        serializer
            One like that of `save`; the same keys of a keyring, or secret.
        skip
            Whether to leave out, and count, entries that cannot be read here though they are
            whole: of a class that is not registered or has other fields by now. Those that are
            written together with them are left out, too.
        progress
            Called now and then with the share of the file that was read, from 0.0 to 1.0.

        Returns
        -------
        LoadReport
            How many entries were stored, and what has become of the others.

        Raises
        ------
        SnapshotError
            If the file is damaged, truncated, of another version or no snapshot, or has entries
            that cannot be read here. The cache is as it was before.
        OSError
            If the file cannot be read.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from augury import Cache
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "users.snapshot"
        >>> cache = Cache(100, policy="lru")
        >>> cache.update({"ada": 1, "bob": 2, "eve": 3})
        >>> _ = cache.save(path)
        >>> small = Cache(2, policy="lru")
        >>> small.load(path).left_out, sorted(small)
        (1, ['bob', 'eve'])
        """
        return load(cast("Any", self), path, serializer=serializer, skip=skip, progress=progress)

    def warm(
        self,
        log: str | os.PathLike[str] | Trace | InMemoryTrace | Iterable[int | str],
        source: Source[K, V] | Callable[[K], V],
        *,
        key: Callable[[int | str], K] | None = None,
        last: int | None = None,
        most: int | None = None,
        seconds: float | None = None,
        batch: int = 256,
        ttl: Ttl | Default = DEFAULT,
        progress: Callable[[float], object] | None = None,
    ) -> WarmReport:
        """Load what the policy would hold after the requests of a log, the most valuable first.

        The requests are sent to a cache like this one, without values; of the keys that it holds in
        the end the values are fetched from the source, in batches. Reads of other threads do not
        wait for that, and what they write stays. If the source fails this ends, and says so.

        Parameters
        ----------
        log
            The folder of an `augury.accesslog.Recorder`, any file that `augury.read_trace` reads, a
            trace, or keys in the order in which they were asked for.
        source
            A source, whose `load_many` is called, or a function of one key.
        key
            Makes the cache's key of the log's, which is a number or text. By default they are the
            same.
        last
            How many requests from the log's end to send, or a few more; all by default.
        most
            How many keys to ask the source for; all by default.
        seconds
            How long to go on; a batch that has begun is finished. By default to the end.
        batch
            How many keys to ask the source for at a time.
        ttl
            Time to live of what is stored, as in `set`; by default the cache's.
        progress
            Called after each batch with the share of the keys that was asked for.

        Returns
        -------
        WarmReport
            How many keys were stored, and what has become of the others: of keys that are neither
            numbers nor text a recorded log has digests, which cannot be asked for.

        Raises
        ------
        TraceError
            If the log cannot be read.
        ConfigurationError
            If a parameter has a value that makes no sense.

        Examples
        --------
        >>> from augury import Cache
        >>> cache = Cache(2, policy="lru")
        >>> report = cache.warm(["a", "b", "c"], str.upper)
        >>> report.stored, sorted(cache.items())
        (2, [('b', 'B'), ('c', 'C')])
        """
        if isinstance(log, str | os.PathLike):
            log = read_trace(log)
        elif not isinstance(log, Trace | InMemoryTrace):
            log = requests_of(log)
        return warm(
            cast("Any", self),
            log,
            source,
            key=key,
            last=last,
            most=most,
            seconds=seconds,
            batch=batch,
            ttl=ttl,
            progress=progress,
        )
