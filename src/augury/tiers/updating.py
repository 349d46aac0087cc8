"""How a value is replaced by what is made of it, so that no other write is lost in between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

from augury.errors import ConfigurationError
from augury.loading import Default, Ttl
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Key
from augury.tiers.entry import ABSENT, Entry, new_version
from augury.tiers.ways import Way
from augury.tiers.wiring import Wiring

_LONGEST_PAUSE = 0.02


class Updater:
    """Updates values in the last tier by compare-and-swap of versions."""

    def __init__(self, wiring: Wiring) -> None:
        self._w = wiring

    async def update(
        self, way: Way, key: Key, change: Callable[[Any], Any], ttl: Ttl | Default
    ) -> Any:
        """Replace the value of a key in the last tier; return the new one.

        Raises
        ------
        KeyError
            If there is none.
        TierError
            If the last tier does not answer: what is there, nobody knows.
        """
        w = self._w
        if w.authority is None:
            raise ConfigurationError("update needs a tier besides memory; a Cache needs no Tiers")
        outer = w.outer(key)
        while True:
            asked = time.monotonic()
            held = await w.authority.insist(way, "get_many", [outer])
            entry = (await w.good(way, w.entries([key], held), asked)).get(key)
            if entry is None or entry.value is ABSENT:
                raise KeyError(key)
            made = self._made(entry, change, ttl)
            if await self._replace(way, key, entry, made, asked):
                return made.value
            await way.sleep(_LONGEST_PAUSE * random.random())

    async def _replace(self, way: Way, key: Key, there: Entry, made: Entry, asked: float) -> bool:
        """Put one entry in the place of another one; return whether that was still there."""
        w = self._w
        assert w.authority is not None
        outer = w.outer(key)
        flights = w.board.claim([key], way.me())
        try:
            if w.near is not None:
                w.near.drop_copies([key])
            stored = await w.authority.insist(
                way, "replace_many", {outer: made}, {outer: there.version}
            )
            for level in w.middles:
                await level.ask(way, "delete_many", [outer])
            w.drop_demoted([outer])
            if stored and w.near is not None and w.consistency is Consistency.TTL:
                w.keep(key, made, flights[key], asked)
        finally:
            w.board.land(flights, {})
        return bool(stored)

    def _made(self, entry: Entry, change: Callable[[Any], Any], ttl: Ttl | Default) -> Entry:
        value, now = change(entry.value), time.time()
        if isinstance(ttl, Default):
            return msgspec.structs.replace(entry, value=value, version=new_version(), written=now)
        return self._w.lifetimes.entry(value, now, tags=entry.tags, ttl=ttl)
