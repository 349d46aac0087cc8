"""What `augury advise` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from augury.advice.redis.advice import Entry, RedisAdvice
from augury.cli.terminal import console, printable, readable_bytes


def report(found: RedisAdvice) -> None:
    """Print tables, and then the commands."""
    _present(found)
    _forecasts(found)
    _print(
        "What comes after: fetch it with the first",
        ("after", "comes", "probability", "reads"),
        [(each.after, each.comes, f"{each.score:.2f}", f"{each.reads:,}") for each in found.pairs],
    )
    _print(
        f"Prefixes, in a sample of {found.sampled_keys:,} keys",
        ("prefix", "keys", "size", "no TTL", "reads", "99% again in", "TTL", "why"),
        [
            (
                each.prefix,
                f"{each.keys:,}",
                readable_bytes(each.bytes),
                f"{each.without_ttl:,}",
                f"{each.reads:,}",
                _seconds(each.reuse),
                _seconds(each.ttl),
                each.reason,
            )
            for each in found.prefixes
        ],
    )
    _entries("Big keys", found.big)
    _entries("Cold keys", found.cold)
    for note in found.notes:
        console.print(f"Note: {printable(note)}.", style="dim", highlight=False, markup=False)
    if found.suggestions:
        console.print("\nCommands that would follow this; none was run:", highlight=False)
        for each in found.suggestions:
            console.print(f"  # {each.reason}", style="dim", highlight=False, markup=False)
            console.out(f"  {each.command}", highlight=False)


def _present(found: RedisAdvice) -> None:
    now, seen = found.present, found.watched
    limit = now.settings.maxmemory
    lines = [
        f"{now.server}: {now.software}, {now.keys:,} keys,"
        f" {readable_bytes(now.used_memory)} used of"
        f" {readable_bytes(limit) if limit else 'no limit'}, {now.settings.policy}",
    ]
    if now.hit_ratio is not None:
        lines.append(f"hit ratio so far {now.hit_ratio:.3f}")
    if seen is not None:
        measured = "" if seen.hit_ratio is None else f", hit ratio {seen.hit_ratio:.3f}"
        lines.append(
            f"watched for {seen.seconds:.1f} s: {seen.commands:,} commands, {seen.reads:,} reads of"
            f" {seen.keys:,} keys ({readable_bytes(seen.footprint)}){measured}"
        )
    for line in lines:
        console.print(printable(line), highlight=False, markup=False)


def _forecasts(found: RedisAdvice) -> None:
    sizes = sorted({each.maxmemory for each in found.forecasts})
    by = {(each.policy, each.maxmemory): each for each in found.forecasts}
    now = found.present.settings.maxmemory or found.present.used_memory
    here = min(sizes, key=lambda size: abs(size - now), default=0)
    rows = []
    for policy in dict.fromkeys(each.policy for each in found.forecasts):
        mark = "*" if policy == found.present.settings.policy else " "
        cells = [by[policy, size] for size in sizes]
        rows.append(
            (
                f"{mark} {policy}",
                *(f"{each.hit_ratio:.3f}{'!' if each.refused else ''}" for each in cells),
            )
        )
    heads = [f"{'*' if size == here else ''}{readable_bytes(size)}" for size in sizes]
    _print("Predicted hit ratio by maxmemory", ("policy", *heads), rows)
    if rows:
        console.print("*: as it is now; !: writes would be refused", style="dim", highlight=False)


def _entries(title: str, entries: Sequence[Entry]) -> None:
    _print(
        title,
        ("key", "type", "size", "TTL", "idle", "LFU"),
        [
            (
                each.key,
                each.type,
                readable_bytes(each.bytes),
                _seconds(each.ttl),
                _seconds(each.idle),
                "" if each.frequency is None else str(each.frequency),
            )
            for each in entries
        ],
    )


def _seconds(count: float | None) -> str:
    return "" if count is None else f"{count:,.1f} s" if count < 10 else f"{count:,.0f} s"


def _print(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    table = Table(title=Text(title))
    for at, head in enumerate(heads):
        table.add_column(head, justify="left" if at == 0 else "right")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
