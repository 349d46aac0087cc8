"""What commands do to keys: read, write, delete, or give a time to live."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from augury.accesslog.formats.monitor import READS, READS_OF_MANY, Command, unescape


class Kind(enum.IntEnum):
    """As native/sim/redis.hpp numbers them."""

    READ = 0
    WRITE = 1
    DELETE = 2
    EXPIRE = 3
    CHANGE = 4
    """A write of a part of the value, of which MONITOR does not say how large it is then."""


class Operation(NamedTuple):
    """One command on one key."""

    kind: Kind
    key: bytes
    time: float
    client: bytes
    size: int | None = None
    """Bytes of the value, of a write."""
    ttl: float | None = None
    """Seconds; of a write None is none, of an expiry 0."""


_DELETES = frozenset(b"DEL UNLINK".split())
_CHANGES = frozenset(
    b"APPEND SETRANGE SETBIT INCR INCRBY INCRBYFLOAT DECR DECRBY HSET HMSET HSETNX HDEL HINCRBY"
    b" HINCRBYFLOAT LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LSET LTRIM LREM LINSERT SADD SREM SPOP"
    b" ZADD ZREM ZINCRBY ZPOPMIN ZPOPMAX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX XADD XTRIM"
    b" XDEL PFADD GEOADD JSON.SET BITFIELD".split()
)
_EXPIRES = {b"EXPIRE": 1.0, b"PEXPIRE": 0.001}
_EXPIRES_AT = {b"EXPIREAT": 1.0, b"PEXPIREAT": 0.001}
_TTL = {b"EX": (1.0, False), b"PX": (0.001, False), b"EXAT": (1.0, True), b"PXAT": (0.001, True)}


def operations_of(command: Command) -> Iterator[Operation]:
    """Yield what a command does; nothing for one that is not understood.

    Examples
    --------
    >>> from augury.accesslog.formats.monitor import command_of
    >>> command = command_of(b'100.5 [0 1.2.3.4:5] "SET" "user:1" "Ada" "EX" "60"')
    >>> [(each.kind.name, each.key, each.size, each.ttl) for each in operations_of(command)]
    [('WRITE', b'user:1', 3, 60.0)]
    """
    name, given = command.name, command.arguments
    if not given:
        return
    time, client = command.time, command.client

    def one(kind: Kind, size: int | None = None, ttl: float | None = None) -> Operation:
        return Operation(kind, unescape(given[0]), time, client, size, ttl)

    if name in READS:
        yield one(Kind.READ)
    elif name in READS_OF_MANY:
        for argument in given:
            yield Operation(Kind.READ, unescape(argument), time, client)
    elif name == b"SET" and len(given) > 1:
        yield one(Kind.WRITE, len(unescape(given[1])), _ttl_of(given[2:], time))
    elif name in {b"SETNX", b"GETSET"} and len(given) > 1:
        yield one(Kind.WRITE, len(unescape(given[1])))
    elif name in {b"SETEX", b"PSETEX"} and len(given) > 2:
        unit = 1.0 if name == b"SETEX" else 0.001
        yield one(Kind.WRITE, len(unescape(given[2])), _seconds(given[1], unit))
    elif name == b"MSET":
        for key, value in zip(given[::2], given[1::2], strict=False):
            yield Operation(Kind.WRITE, unescape(key), time, client, len(unescape(value)))
    elif name in _DELETES:
        for argument in given:
            yield Operation(Kind.DELETE, unescape(argument), time, client)
    elif name == b"GETDEL":
        yield one(Kind.READ)
        yield one(Kind.DELETE)
    elif name in _CHANGES:
        yield one(Kind.CHANGE)
    elif name == b"PERSIST":
        yield one(Kind.EXPIRE, ttl=0.0)
    elif name in _EXPIRES and len(given) > 1:
        yield one(Kind.EXPIRE, ttl=_seconds(given[1], _EXPIRES[name]))
    elif name in _EXPIRES_AT and len(given) > 1:
        until = _seconds(given[1], _EXPIRES_AT[name])
        yield one(Kind.EXPIRE, ttl=None if until is None else until - time)


def _ttl_of(options: list[bytes], now: float) -> float | None:
    for option, value in pairwise(options):
        unit, absolute = _TTL.get(option.upper(), (0.0, False))
        if unit:
            seconds = _seconds(value, unit)
            return seconds - now if absolute and seconds is not None else seconds
    return None


def _seconds(written: bytes, unit: float) -> float | None:
    try:
        return int(written) * unit
    except ValueError:
        return None
