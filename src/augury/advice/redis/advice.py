"""Everything that is said of one server: records that turn into JSON as they are."""

from __future__ import annotations

import msgspec

from augury.advice.redis.forecast import Forecast, Settings
from augury.advice.redis.prefixes import Prefix


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is now."""

    server: str
    """Where it is, without a password."""
    software: str
    """Which, and its version."""
    settings: Settings
    used_memory: int
    fixed_memory: int
    """Of that, what is for no keys."""
    keys: int
    """In all databases."""
    hit_ratio: float | None
    """By the server's own count, since it was started or its statistics were reset."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What MONITOR has shown."""

    seconds: float
    ended: str
    """By what: time, bytes, commands or connection."""
    commands: int
    reads: int
    unknown: int
    """Reads that found what was there before: they say nothing of other sizes."""
    keys: int
    footprint: int
    """Bytes of all keys that were used."""
    hit_ratio: float | None
    """By the server's own count, meanwhile; None if it did not tell."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """After one key comes another, which could be fetched with it."""

    after: str
    comes: str
    score: float
    """Probability that it is read within 64 reads."""
    reads: int
    """Of the first one."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A key that stands out."""

    key: str
    type: str
    bytes: int
    ttl: float | None
    """Seconds that remain; None: for ever."""
    idle: float | None
    """Seconds since it was used; None if the server does not keep that."""
    frequency: int | None
    """Its counter of LFU; None if the server does not keep that."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A command that would follow the advice. Nothing runs it."""

    command: str
    """As redis-cli reads it."""
    reason: str


class RedisAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """What `augury.advice.redis.advise` has found."""

    present: Present
    """What the server was like."""
    watched: Watched | None
    """None: only the keyspace was looked at."""
    sampled_keys: int
    """Keys that were asked about, of the keyspace."""
    forecasts: list[Forecast]
    """Hit ratios by memory and by `maxmemory-policy`."""
    pairs: list[Pair]
    """Keys that follow one another, to be fetched ahead."""
    prefixes: list[Prefix]
    """What is known of the keys that begin alike, and a time to live for them."""
    big: list[Entry]
    """The largest entries that were seen."""
    cold: list[Entry]
    """Entries unused for an hour, those first that take most room for longest."""
    suggestions: list[Suggestion]
    """Commands that would apply the advice."""
    notes: list[str]
    """What was not seen, and what to keep in mind."""
