"""A snapshot as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from augury.cli.terminal import printable, readable_bytes
from augury.observe import Snapshot
from augury.observe.views import CacheView, Point, QueryView, TierView

_WORDS = (
    "tier",
    "query",
    "model",
    "health",
    "history",
    "decides",
    "state",
    "goes by",
    "last event",
)
_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 24  # of a history


def screen(snapshot: Snapshot, url: str, trouble: str = "") -> RenderableType:
    """Return everything that is observed.

    Parameters
    ----------
    snapshot
        What was read last.
    url
        Where from.
    trouble
        Why nothing was read since, in one line.
    """
    at = datetime.fromtimestamp(snapshot.at).strftime("%H:%M:%S")
    up = timedelta(seconds=int(snapshot.uptime))
    head = Text.assemble(
        ("augury ", "bold"), printable(f"{url}  {snapshot.process}  up {up}  at {at}")
    )
    parts: list[RenderableType] = [head]
    if trouble:
        parts.append(Text(f"not current: {printable(trouble)}", style="bold red"))
    tables = [*_tables(snapshot)]
    if not tables:
        parts.append(Text("Nothing is observed; name caches in the service's configuration."))
    return Group(*parts, *tables)


def _tables(snapshot: Snapshot) -> Iterator[Table]:
    if snapshot.caches:
        yield _table(
            ("cache", "entries", "full", "reads/s", "hits", "LRU", "best", "history", "decides"),
            [_cache(view) for view in snapshot.caches],
        )
        learned = [_model(view) for view in snapshot.caches if view.model is not None]
        if learned:
            yield _table(("cache", "model", "drift", "goes by", "last event"), learned)
    if snapshot.tiers:
        yield _table(
            ("tiers", "tier", "health", "hits", "latency", "entries", "size"),
            [_tier(view.name, tier) for view in snapshot.tiers for tier in view.tiers],
        )
    if snapshot.prefetchers:
        yield _table(
            ("prefetcher", "fetched", "precision", "recall", "late", "state"),
            [
                (
                    each.name,
                    f"{each.fetched:,}",
                    _share(each.precision),
                    _share(each.recall),
                    f"{each.late:,}",
                    "paused" if each.paused else "fetches",
                )
                for each in snapshot.prefetchers
            ],
        )
    if snapshot.answers:
        yield _table(
            ("answers", "query", "answers", "saved", "inferred", "covers", "error", "model"),
            [_query(view.name, query) for view in snapshot.answers for query in view.queries],
        )
    if snapshot.models:
        yield _table(
            ("model", "rows", "not computed", "in the model", "saved"),
            [
                (
                    each.name,
                    f"{each.rows:,}",
                    _share(each.hit_ratio),
                    _time(each.model_seconds),
                    _time(each.saved_seconds),
                )
                for each in snapshot.models
            ],
        )
    if snapshot.advisors:
        yield _table(
            ("advisor", "accesses", "could hit", "hit", "to evict", "decides"),
            [
                (
                    each.name,
                    f"{each.accesses:,}",
                    _share(each.hit_ratio if each.accesses else None),
                    _share(each.told_hits / each.told if each.told else None),
                    f"{each.to_evict:,}",
                    each.policy,
                )
                for each in snapshot.advisors
            ],
        )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for at, column in enumerate(columns):
        left = at == 0 or column in _WORDS
        table.add_column(column, justify="left" if left else "right", overflow="ellipsis")
    for row in rows:
        table.add_row(*(each if isinstance(each, Text) else Text(printable(each)) for each in row))
    table.add_row()
    return table


def _cache(view: CacheView) -> tuple[str | Text, ...]:
    point = next((each for each in reversed(view.history) if each.requests), None)
    ratio = view.hit_ratio if point is None else point.hit_ratio
    return (
        view.name,
        f"{view.entries:,}",
        _share(view.weight / view.capacity if view.capacity else None),
        _rate(view.history),
        _share(ratio),
        _share(None if point is None else point.lru),
        _share(None if point is None else point.optimum),
        _bars([each.hit_ratio for each in view.history[-_POINTS:]]),
        f"{view.policy.policy}: {view.policy.ruling}"
        if view.policy.ruling != view.policy.policy
        else view.policy.policy,
    )


def _model(view: CacheView) -> tuple[str | Text, ...]:
    model = view.model
    assert model is not None
    kind = "none" if model.kind is None else model.kind
    drift = "" if model.drift is None else f"{model.drift:.2f}"
    return (
        view.name,
        kind if model.version is None else f"{kind} {model.version}",
        Text(drift, style="red" if model.drifted else ""),
        ", ".join(f"{name} {share:.0%}" for name, share in list(model.importance.items())[:3]),
        model.events[0][1] if model.events else "",
    )


def _tier(tiers: str, tier: TierView) -> tuple[str | Text, ...]:
    health = Text("up", style="green")
    if not tier.healthy:
        health = Text(printable(f"down: {tier.reason or 'no reason given'}"), style="bold red")
    return (
        tiers,
        tier.name,
        health,
        f"{tier.hits:,}",
        _time(tier.latency),
        "" if tier.entries is None else f"{tier.entries:,}",
        "" if tier.bytes is None else readable_bytes(tier.bytes),
    )


def _query(answers: str, query: QueryView) -> tuple[str, ...]:
    total = sum(query.origins.values())
    saved = total - query.origins.get("database", 0)
    return (
        answers,
        query.query,
        f"{total:,}",
        _share(saved / total if total else None),
        _share(query.origins.get("inferred", 0) / total if total else None),
        _share(query.coverage),
        _share(query.error),
        query.model or "none",
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1e3:,.1f} ms" if abs(seconds) < 10 else f"{seconds:,.0f} s"


def _rate(history: Sequence[Point]) -> str:
    if len(history) < 2:
        return ""
    seconds = history[-1].at - history[-2].at
    return f"{history[-1].requests / seconds:,.0f}" if seconds > 0 else ""


def _bars(ratios: Sequence[float | None]) -> str:
    """Return a ratio a letter: the higher, the fuller."""
    top = len(_BARS) - 1
    return "".join(
        " " if each is None else _BARS[round(min(max(each, 0.0), 1.0) * top)] for each in ratios
    )
