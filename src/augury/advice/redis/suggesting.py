"""Which commands would follow the advice."""

from __future__ import annotations

from collections.abc import Sequence

from augury.advice.redis.advice import Present, Suggestion, Watched
from augury.advice.redis.forecast import Forecast
from augury.advice.redis.keyspace import HeldKey
from augury.advice.redis.prefixes import Prefix, prefix_of
from augury.advice.redis.quoting import command, shown

_WORTH = 0.01  # of hit ratio
_EXAMPLES = 3


def suggest(
    present: Present,
    watched: Watched | None,
    forecasts: Sequence[Forecast],
    lines: Sequence[Prefix],
    held: Sequence[HeldKey],
    cold: Sequence[HeldKey],
) -> list[Suggestion]:
    """Return commands, the weightiest first.

    A policy is suggested that evicts from the same keys as the present one does: whether keys
    without a time to live may go, only their owner knows.
    """
    found: list[Suggestion] = []
    policy = present.settings.policy
    if watched is not None:
        now = present.settings.maxmemory or present.used_memory
        found += _policy(policy, now, forecasts)
        found += _size(present, policy, now, watched, forecasts)
    for line in lines:
        if line.ttl is None:
            continue
        these = [each for each in held if shown(prefix_of(each.key)) == line.prefix]
        endless = [each for each in these if each.ttl is None or each.ttl > line.ttl]
        found += _say(
            [("EXPIRE", each.key, line.ttl) for each in endless[:_EXAMPLES]],
            f"{line.reason}; the same for all of {line.prefix}",
        )
    for each in cold:
        idle = "never counted" if each.idle is None else f"not used for {each.idle:,.0f} s"
        found += _say(
            [("UNLINK", each.key)], f"{each.bytes:,} bytes, {idle}; if it can be made again"
        )
    return found


def _say(commands: Sequence[tuple[str | int | bytes, ...]], reason: str) -> list[Suggestion]:
    lines = [command(*each) for each in commands]
    return [Suggestion(command=line, reason=reason) for line in lines if line is not None]


def _at(forecasts: Sequence[Forecast], policy: str) -> list[Forecast]:
    return sorted((each for each in forecasts if each.policy == policy), key=lambda f: f.maxmemory)


def _nearest(rows: Sequence[Forecast], size: int) -> Forecast | None:
    return min(rows, key=lambda each: abs(each.maxmemory - size), default=None)


def _policy(policy: str, now: int, forecasts: Sequence[Forecast]) -> list[Suggestion]:
    scope = policy.partition("-")[0]
    present = _nearest(_at(forecasts, policy), now)
    rivals = [
        each
        for name in {each.policy for each in forecasts if each.policy.startswith(f"{scope}-")}
        if (each := _nearest(_at(forecasts, name), now)) is not None and each.refused == 0
    ]
    best = max(rivals, key=lambda each: (each.hit_ratio, each.policy), default=None)
    if present is None or best is None or best.hit_ratio < present.hit_ratio + _WORTH:
        return []
    return _say(
        [("CONFIG", "SET", "maxmemory-policy", best.policy)],
        f"predicted hit ratio {best.hit_ratio:.3f} instead of {present.hit_ratio:.3f}",
    )


def _size(
    present: Present, policy: str, now: int, watched: Watched, forecasts: Sequence[Forecast]
) -> list[Suggestion]:
    rows = [each for each in _at(forecasts, policy) if not each.refused]
    # What was used must have filled it, or all that is larger seems the same.
    if not rows or watched.footprint < now - present.fixed_memory:
        return []
    most = rows[-1].hit_ratio
    chosen = next(each for each in rows if each.hit_ratio >= most - _WORTH)
    here = _nearest(rows, now)
    if here is None or chosen.maxmemory == here.maxmemory:
        return []
    return _say(
        [("CONFIG", "SET", "maxmemory", chosen.maxmemory)],
        f"predicted hit ratio {chosen.hit_ratio:.3f} instead of {here.hit_ratio:.3f};"
        f" more memory adds less than {_WORTH:g}",
    )
