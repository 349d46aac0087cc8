"""Tags: a word under which any number of entries are dropped at once.

A tag has a *generation*, 16 random bytes that the lowest tier holds. Entries carry the generations
that their tags had before their value was loaded, and are void once one has changed. So dropping
them costs one write, however many there are. A generation that the tier has forgotten is replaced
by a new one, which voids entries needlessly but never wrongly keeps one.
"""

from __future__ import annotations

import reprlib
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from augury.errors import ConfigurationError
from augury.forks import renew_in_child
from augury.tiers.contract import Key
from augury.tiers.entry import Entry, Lease, new_version
from augury.tiers.frame import address
from augury.tiers.levels import DOWN, Level
from augury.tiers.ways import Way

_FOREVER = float("inf")
_LEASE = 5.0  # seconds that a lease on a tag holds: its thread may be slow, or its process dead
# Seconds between two looks whether another process has begun a tag; what needs it waits for that.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_MOST = 100_000
_LATELY = 60.0  # seconds for which an answer may be under way


class Known(NamedTuple):
    """What this process knows of a tag."""

    generation: bytes = b""
    """The one last heard of."""
    asked: float = -_FOREVER
    """When the tier was asked that said so, by `time.monotonic`."""
    doubted: float = -_FOREVER
    """When it was last said to have changed. What was asked before proves nothing."""


_UNKNOWN = Known()


def tags_of(given: object) -> tuple[str, ...]:
    """Return the tags that a user gave, each once.

    Raises
    ------
    ConfigurationError
        If they are anything but names: one text would be taken for one tag a letter, and the empty
        tag is the one of the namespace.
    """
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        names = tuple(given)
        if all(isinstance(name, str) and name for name in names):
            return tuple(dict.fromkeys(names))
        given = names
    raise ConfigurationError(
        f"tags are several names, such as ['org:1'], not {reprlib.repr(given)}"
    )


class Generations:
    """What this process knows of the generations of tags.

    Parameters
    ----------
    namespace
        Of the tags.
    authority
        The tier that holds them; None if this process alone does.
    lasts
        How many seconds knowledge may be used before the tier is asked again.
    named
        Whether to find tags by what servers call their keys.
    """

    def __init__(
        self, namespace: str, authority: Level | None, lasts: float, *, named: bool = False
    ) -> None:
        self._namespace = namespace
        self._authority = authority
        self._lasts = lasts if authority is not None else _FOREVER
        self._known: dict[str, Known] = {}
        self._most = _MOST
        self._names: dict[bytes, str] | None = {} if named else None
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.RLock()

    def key(self, name: str) -> Key:
        """Return the key under which the tier holds a tag: no other key has three parts."""
        return (self._namespace, "tag", name)

    def known(self, name: str) -> bytes:
        """Return the generation last heard of, or b""."""
        return self._known.get(name, _UNKNOWN).generation

    def tags(self, names: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
        """Return tags with the generations last heard of."""
        return tuple((name, self.known(name)) for name in names)

    def holds(self, tags: Iterable[tuple[str, bytes]], *, lenient: bool = False) -> bool:
        """Return whether these are the generations last heard of, or (lenient) none was."""
        for name, had in tags:
            known = self.known(name)
            if known != had and not (lenient and not known):
                return False
        return True

    def until(self, tags: Iterable[tuple[str, bytes]]) -> float:
        """Return until when what is known of these tags may be used."""
        asked = (self._known.get(name, _UNKNOWN).asked for name, _ in tags)
        earliest = min(asked, default=_FOREVER)
        return earliest if earliest == -_FOREVER else earliest + self._lasts

    def unsure(self, names: Iterable[str], now: float) -> list[str]:
        """Return the tags of which too little is known at that time, so that they are asked for.

        From now on it is heard if they are dropped, so that no answer comes too late.
        """
        since = now - self._lasts
        unsure = []
        for name in names:
            known = self._known.get(name)
            if known is None:
                self._expect(name)
                unsure.append(name)
            elif known.asked < since or known.asked == -_FOREVER:
                unsure.append(name)
        return unsure

    def _expect(self, name: str) -> None:
        with self._lock:
            if name not in self._known:
                self._known[name] = _UNKNOWN
                if self._names is not None:
                    self._names[address(self.key(name))[:16]] = name

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Ask the tier before using these generations, or all, again."""
        with self._lock:
            now = time.monotonic()
            for name in list(self._known) if names is None else names:
                self._known[name] = Known(self.known(name), doubted=now)

    @property
    def crowded(self) -> bool:
        """Whether so many tags are known that `forget_unused` is due."""
        return len(self._known) > self._most

    def forget_unused(self, used: Collection[str]) -> None:
        """Forget tags but these and those that the tier told of lately.

        They are not heard of any more: the caller has each copy looked at after that.
        """
        with self._lock:
            since = time.monotonic() - _LATELY
            self._known = {
                name: known
                for name, known in self._known.items()
                if name in used or max(known.asked, known.doubted) > since
            }
            self._most = max(_MOST, 2 * len(self._known))
            if self._names is not None:
                self._names = {n: tag for n, tag in self._names.items() if tag in self._known}

    def forget_named(self, names: Iterable[bytes]) -> bool:
        """Forget the tags that servers call so; return whether any of them is one."""
        tags = [tag for name in names if (tag := (self._names or {}).get(name)) is not None]
        self.forget(tags)
        return bool(tags)

    def learn(self, name: str, generation: bytes, asked: float) -> None:
        """Take note of what the tier said when it was asked at that time.

        Answers may come in another order than they were asked for, and after the news that
        something else is true: then they are older than what is known.
        """
        with self._lock:
            self._expect(name)
            known = self._known[name]
            latest = max(known.asked, known.doubted)
            if asked < latest:
                return
            self._known[name] = Known(generation, asked)

    async def refresh(self, way: Way, names: Iterable[str], now: float) -> bool:
        """Ask for what too little is known of at that time; return whether all are sure then."""
        unsure = self.unsure(names, now)
        if not unsure:
            return True
        if self._authority is None:
            with self._lock:
                for name in unsure:
                    self._known[name] = Known(new_version(), now)
            return True
        asked = time.monotonic()
        held = await self._authority.ask(way, "get_many", [self.key(name) for name in unsure])
        if held is DOWN:
            return False
        return await self.take_in(way, unsure, held, asked)

    async def take_in(
        self, way: Way, names: Collection[str], held: Mapping[Key, object], asked: float
    ) -> bool:
        """Learn what the tier holds of these tags; give a generation to those that have none."""
        none = []
        for name in names:
            found = held.get(self.key(name))
            if isinstance(found, Entry):
                self.learn(name, found.version, asked)
            else:
                none.append(name)
        return not none or await self._begin(way, none)

    async def _begin(self, way: Way, names: Collection[str]) -> bool:
        """Give generations to tags that have none; another process may be about to do the same.

        Its lease is waited for, so that a process that is merely slow costs no second load.
        """
        pause, enough = _FIRST_PAUSE, time.monotonic() + 3 * _LEASE
        while others := await self._begin_some(way, names):
            if time.monotonic() > enough:
                return False
            await way.sleep(pause)
            names, pause = others, min(2 * pause, _LONGEST_PAUSE)
        return others is not None

    async def _begin_some(self, way: Way, names: Collection[str]) -> list[str] | None:
        """Return the tags that others are about to begin; None if the tier does not answer."""
        assert self._authority is not None
        asked, now = time.monotonic(), time.time()
        keys = {self.key(name): name for name in names}
        lease = Lease(now + _LEASE)
        held = await self._authority.ask(way, "lease_many", list(keys), lease)
        if held is DOWN:
            return None
        entries = {key: Entry(None, written=now) for key in keys if key not in held}
        filled = await self._authority.ask(way, "fill_many", entries, lease) if entries else set()
        if filled is DOWN:
            return None
        others = []
        for key, name in keys.items():
            found = entries.get(key) if key in filled else held.get(key)
            if isinstance(found, Entry):
                self.learn(name, found.version, asked)
            else:
                others.append(name)
        return others

    async def renew(self, way: Way, names: Collection[str]) -> None:
        """Give new generations to tags.

        Raises
        ------
        TierError
            If the tier could not be told.
        """
        now = time.time()
        entries = {name: Entry(None, written=now) for name in names}
        if self._authority is None:
            with self._lock:
                for name, entry in entries.items():
                    self._known[name] = Known(entry.version, time.monotonic())
            return
        by_key = {self.key(name): entry for name, entry in entries.items()}
        try:
            await self._authority.insist(way, "set_many", by_key)
        finally:  # whoever asked before may yet be told what was true then
            with self._lock:
                now = time.monotonic()
                for name, entry in entries.items():
                    self._known[name] = Known(entry.version, doubted=now)
