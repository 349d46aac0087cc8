"""The tiers outside the process: asked while they answer, done without while they do not."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from augury.breaker import Breaker
from augury.errors import CodecError, CorruptValueError, TierError
from augury.events import Fault, Trouble
from augury.spans import span
from augury.tiers.contract import Key, Tier
from augury.tiers.entry import Entry
from augury.tiers.ways import Way

_log = logging.getLogger("augury.tiers")

# Seconds of waiting for a tier that are a fault of the tier, if the caller then gives up.
_LONG = 0.1

DOWN: Final[Any] = object()
"""What a tier answers that does not answer."""


class Faults:
    """Counts faults, tells a listener, and logs one of each kind a second."""

    def __init__(self, listener: Callable[[Fault], object] | None) -> None:
        self._listener = listener
        self._logged: dict[tuple[Trouble, str], float] = {}
        self.counts: Counter[Trouble] = Counter()

    def report(self, trouble: Trouble, tier: str, reason: object) -> None:
        """Report a fault."""
        fault = Fault(trouble, tier, " ".join(str(reason).split()))
        self.counts[trouble] += 1
        now = time.monotonic()
        if now - self._logged.get((trouble, tier), -1.0) >= 1.0:
            self._logged[trouble, tier] = now
            _log.warning("%s", fault, extra=fault.log_fields)
        if self._listener is not None:
            try:
                self._listener(fault)
            except Exception:
                _log.exception("on_fault raised, told of: %s", fault)


class Level:
    """A tier with a breaker: after it has failed it is left alone for a while.

    Parameters
    ----------
    tier
        The tier.
    breaker
        When to leave it alone.
    faults
        Where to report.
    """

    def __init__(self, tier: Tier, breaker: Breaker, faults: Faults) -> None:
        self.tier = tier
        self.name = tier.name
        self.hits = 0
        self._breaker = breaker
        self._faults = faults

        def on_corrupt(error: CorruptValueError) -> None:
            faults.report(Trouble.CORRUPT, tier.name, error)

        tier.on_corrupt = on_corrupt

    async def ask(self, way: Way, method: str, *arguments: Any) -> Any:
        """Return what a method of the tier returns, or `DOWN`."""
        if not self._breaker.allows():
            return DOWN
        began = time.monotonic()
        try:
            with span(f"tier.{method}", tier=self.name):
                answer = await way.call(self.tier, method, *arguments)
        except TierError as error:
            self._breaker.failed()
            self._faults.report(Trouble.UNAVAILABLE, self.name, error)
            return DOWN
        except Exception:
            self._breaker.succeeded()  # a caller's mistake
            raise
        except BaseException:
            if time.monotonic() - began >= _LONG:
                self._breaker.failed()  # given up while waiting; sooner says nothing of the tier
            raise
        self._breaker.succeeded()
        return answer

    async def store(
        self, way: Way, method: str, entries: Mapping[Key, Entry], *arguments: Any
    ) -> tuple[Any, set[Key]]:
        """Return the keys that a method of the tier has stored, or `DOWN`, and those refused.

        What is refused, as no codec carries its value, is reported, and left out of what is stored.
        """
        try:
            return await self.ask(way, method, entries, *arguments), set()
        except CodecError as error:
            if len(entries) == 1:
                self._faults.report(Trouble.DROPPED, self.name, error)
                return set(), set(entries)
        stored: set[Key] = set()  # one by one: the others are not to suffer
        refused: set[Key] = set()
        for key, entry in entries.items():
            done, no = await self.store(way, method, {key: entry}, *arguments)
            if done is DOWN:
                return DOWN, refused
            stored |= done or set()  # `set_many` returns nothing
            refused |= no
        return stored, refused

    async def insist(self, way: Way, method: str, *arguments: Any) -> Any:
        """Return what a method of the tier returns, also while it is left alone.

        Raises
        ------
        TierError
            If it cannot be done.
        """
        try:
            return await way.call(self.tier, method, *arguments)
        except TierError as error:
            self._faults.report(Trouble.UNAVAILABLE, self.name, error)
            raise


def name_apart(tiers: Sequence[Tier]) -> None:
    """Give tiers of one name numbers, so that reports tell them apart."""
    names = Counter(tier.name for tier in tiers)
    for name, count in names.items():
        if count > 1:
            same = [tier for tier in tiers if tier.name == name]
            for number, tier in enumerate(same, 1):
                tier.name = f"{name}{number}"
