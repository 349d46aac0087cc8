"""What `augury plan` is told: prices, times, goals."""

from __future__ import annotations

import re
from dataclasses import replace

from augury.errors import ConfigurationError
from augury.simulation import capacity_of
from augury.sizing import Goal, Miss, Tier

_SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TIME = re.compile(r"(?P<number>[-+.\deE]+|nan|inf)\s*(?P<unit>s|ms|us|µs|ns)?")


def costs_of(cost: str | None, latency: str | None) -> tuple[list[Tier], Miss]:
    """Read what tiers and a miss cost, in money and time."""
    prices = {name: _number("--cost", text) for name, text in _named("--cost", cost)}
    times = {name: seconds_of("--latency", text) for name, text in _named("--latency", latency)}
    miss = Miss(prices.pop("miss", 0.0), times.pop("miss", 0.0))
    names = list(dict.fromkeys([*prices, *times])) or ["memory"]
    tiers = [Tier(name, prices.get(name, 0.0), times.get(name, 0.0)) for name in names]
    return tiers, miss


def goal_of(target: str | None, budget: str | None) -> Goal:
    """Read what is to be reached."""
    goal = Goal(budget=None if budget is None else bytes_of("--budget", budget))
    for name, text in _named("--target", target):
        if name == "hit":
            share = _number("--target", text.removesuffix("%"))
            goal = replace(goal, hit_ratio=share / 100 if text.endswith("%") else share)
        elif name == "latency":
            goal = replace(goal, latency=seconds_of("--target", text))
        else:
            raise ConfigurationError(f"--target knows hit and latency, not {name!r}")
    return goal


def needs(miss: Miss, requests_per_second: float | None) -> Miss:
    """Say how many requests there are, if that is known."""
    if requests_per_second is None:
        if miss.cost > 0:
            raise ConfigurationError(
                "the cost of misses depends on how many there are, and the trace has no times; say"
                " --requests-per-second"
            )
        return miss
    return replace(miss, requests_per_second=requests_per_second)


def bytes_of(option: str, text: str) -> float:
    """Read bytes, such as 64MiB.

    Raises
    ------
    ConfigurationError
        If it is not written like that, or is not more than 0.
    """
    try:
        if "%" in text:
            raise ConfigurationError("write bytes (64MiB), not a share")
        return float(capacity_of(text, 0, by_bytes=True))
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}: {error}") from None


def seconds_of(option: str, text: str) -> float:
    """Read a time, such as 20ms."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"cannot read {text!r} in {option}; write a time such as 20ms")
    return _number(option, match["number"]) * _SECONDS[match["unit"] or ""]


def _named(option: str, written: str | None) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in (written or "").split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name or not value or name in found:
            raise ConfigurationError(
                f"cannot read {item!r} in {option}; write each name=value once"
            )
        found[name] = value
    return list(found.items())


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"cannot read {text!r} in {option}; write a number") from None
