"""How much may be fetched ahead: so much a second, and nothing while the source is slow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from augury.parameters import check_number

_SHORTEST_REST = 0.5
_LONGEST_REST = 60.0
_NEVER_SLOW = 0.01  # seconds: what takes less has at most been kept waiting by the processor
_MEMORY = 1 / 8  # of how long fetches usually take
_OUTLIER = 8.0  # times the usual, beyond which a fetch counts for no more


class TokenBucket:
    """Lets so much a second through, and what was not used of the last second besides.

    Parameters
    ----------
    rate
        How much a second; None: all.
    clock
        Returns the time in seconds.

    Examples
    --------
    >>> now = 0.0
    >>> bucket = TokenBucket(10, clock=lambda: now)
    >>> bucket.level
    10.0
    >>> bucket.spend(15)
    >>> bucket.wait()
    0.6
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = math.inf if rate is None else float(rate)
        self._most = max(self._rate, 1.0)
        self._level = self._most
        self._clock = clock
        self._at = clock()

    @property
    def level(self) -> float:
        """How much may be spent now; negative if too much was."""
        if self._rate == math.inf:
            return math.inf
        now = self._clock()
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level

    def spend(self, amount: float) -> None:
        """Count what was let through, even if it was more than there was."""
        self._level = self.level - amount

    def wait(self) -> float:
        """Return the seconds until there is 1 to spend; 0.0 if there is."""
        return max(0.0, (1.0 - self.level) / self._rate) if self._rate != math.inf else 0.0


class Budget:
    """What fetching ahead may take of the source.

    Parameters
    ----------
    requests_per_second
        Keys asked for; None: as many as there are. Up to those of one second at once.
    bytes_per_second
        Of what comes back, known only then: what is too much is waited for afterwards. None: any.
    clock
        Returns the time in seconds.

    Raises
    ------
    ConfigurationError
        If a rate is not a number above 0.

    Examples
    --------
    >>> budget = Budget(requests_per_second=5, clock=lambda: 0.0)
    >>> budget.grant(64)
    5
    >>> budget.spend(keys=5)
    >>> budget.grant(64), budget.wait()
    (0, 0.2)
    """

    def __init__(
        self,
        requests_per_second: float | None = None,
        bytes_per_second: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, rate, unit in (
            ("requests_per_second", requests_per_second, "requests"),
            ("bytes_per_second", bytes_per_second, "bytes"),
        ):
            if rate is not None:
                check_number(name, rate, unit=unit)
        self._keys = TokenBucket(requests_per_second, clock)
        self._bytes = TokenBucket(bytes_per_second, clock)

    def grant(self, most: int) -> int:
        """Return how many keys may be fetched now."""
        if self._bytes.level < 1:
            return 0
        return int(min(float(most), max(0.0, self._keys.level)))

    def spend(self, keys: int = 0, size: float = 0) -> None:
        """Count keys that are being fetched, and bytes that have come."""
        self._keys.spend(keys)
        self._bytes.spend(size)

    def wait(self) -> float:
        """Return the seconds until another key may be fetched; 0.0 if one may."""
        return max(self._keys.wait(), self._bytes.wait())


class Patience:
    """Leaves a source alone that is slow or fails: half a second, then twice as long each time.

    A fetch is slow that takes more than 10 ms and longer than `times` the usual, both as a whole
    and for each of its keys: some sources answer a batch at once, others key by key. Usual is what
    fetches have taken of late or, if that is more, what loads take.

    Parameters
    ----------
    times
        How many times the usual is slow.
    clock
        Returns the time in seconds.

    Examples
    --------
    >>> now = 0.0
    >>> patience = Patience(4.0, clock=lambda: now)
    >>> patience.answered(0.01, keys=1), patience.answered(0.1, keys=1)
    (True, False)
    >>> patience.rest()
    0.5
    >>> patience.failed()
    >>> patience.rest()
    1.0
    """

    def __init__(self, times: float, clock: Callable[[], float] = time.monotonic) -> None:
        check_number("patience", times, least=1.0, unit="times")
        self._times = float(times)
        self._clock = clock
        self._batch = self._key = 0.0  # seconds that one usually takes; 0.0: not known
        self._rests = 0
        self._until = -math.inf

    def rest(self) -> float:
        """Return the seconds for which the source is to be left alone; 0.0 if it may be asked."""
        return max(0.0, self._until - self._clock())

    def answered(self, seconds: float, keys: int, load_seconds: float = 0.0) -> bool:
        """Tell how long a fetch of so many keys has taken; return whether that was not slow.

        Parameters
        ----------
        seconds
            That it took.
        keys
            That it was asked for.
        load_seconds
            What a load of one key takes without fetching ahead; 0.0 if that is not known.
        """
        each = seconds / keys
        if not self._batch:  # the first: loading its keys one after the other is not slow
            slow = load_seconds > 0.0 and each > self._times * load_seconds
        else:
            slow = seconds > self._times * max(self._batch, load_seconds) and each > (
                self._times * self._key
            )
        slow = slow and seconds > _NEVER_SLOW
        self._batch = self._moved(self._batch, seconds)
        self._key = self._moved(self._key, each)
        if slow:
            self.failed()
        else:
            self._rests = 0
        return not slow

    def failed(self) -> None:
        """Tell that a fetch has failed."""
        pause = min(_SHORTEST_REST * 2.0 ** min(self._rests, 16), _LONGEST_REST)
        self._rests += 1
        self._until = self._clock() + pause

    @staticmethod
    def _moved(usual: float, seconds: float) -> float:
        if not usual:
            return seconds
        return usual + _MEMORY * (min(seconds, _OUTLIER * usual) - usual)
