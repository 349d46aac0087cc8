"""Looks at a server, learns, and says what to change; changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from augury import _native
from augury.advice.redis.advice import Entry, Pair, Present, RedisAdvice, Watched
from augury.advice.redis.capture import Capture, capture
from augury.advice.redis.forecast import Forecast, Settings, forecast
from augury.advice.redis.keyspace import HeldKey, look, scan
from augury.advice.redis.operations import Operation, operations_of
from augury.advice.redis.prefixes import prefixes
from augury.advice.redis.quoting import shown
from augury.advice.redis.server import RefusedError, Server, within
from augury.advice.redis.suggesting import suggest
from augury.advice.redis.workload import Workload, workload
from augury.parameters import check_integer, check_number

MOST_BYTES = 256 << 20
"""Of the output of MONITOR."""
_FOUND = 10  # rows of each list
_LOOKED_UP = 20_000  # keys whose size is asked for
_SAMPLE = 2_000  # of the keyspace, while MONITOR tells the rest
_SIZES = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # of the present one
_WARM = 0.5
_SETTING = 1000  # more than any of the settings that are asked for can be
_SOON = 64  # reads
_SURE = 0.5
_IDLE = 3600.0  # seconds after which a key is cold

Progress = Callable[[str, float], object]


def advise(
    url: str,
    *,
    seconds: float = 30.0,
    sample: int | None = None,
    keyspace: bool = False,
    most_bytes: int = MOST_BYTES,
    progress: Progress | None = None,
) -> RedisAdvice:
    """Watch a Redis or Valkey server, and say what would make it hit more, or take less.

    Nothing is written to the server, and its keys are asked about by commands that leave no trace
    in what it evicts. MONITOR slows it while it runs, for `seconds` at most.

    Parameters
    ----------
    url
        Of the server: ``redis://user:password@host:port/database``, ``rediss://``, ``unix://``.
    seconds
        How long to watch (default 30).
    sample
        Commands at most (default 1,000,000), or with `keyspace` keys (default 10,000).
    keyspace
        Whether to look at keys only, and never to use MONITOR.
    most_bytes
        Output of MONITOR at most (default 256 MiB).
    progress
        Called with what is done, and the share of it from 0.0 to 1.0.

    Returns
    -------
    RedisAdvice
        What was found, and what was not looked at.

    Raises
    ------
    SourceError
        If the server cannot be reached, or does not answer as Redis does.
    ConfigurationError
        If the URL or a number makes no sense.
    MissingExtraError
        Without ``pip install 'augury[redis]'``.
    """
    check_number("seconds", seconds)
    if sample is not None:
        check_integer("sample", sample)
    check_integer("most_bytes", most_bytes)
    server = Server(url)
    try:
        return _advise(server, seconds, sample, keyspace, most_bytes, progress or (lambda *_: None))
    finally:
        server.close()


def _advise(
    server: Server,
    seconds: float,
    sample: int | None,
    keyspace: bool,
    most_bytes: int,
    tell: Progress,
) -> RedisAdvice:
    before = server.info()
    notes = _warnings(before)
    settings = _settings(server, before, notes)
    seen: Capture | None = None
    after = before
    if not keyspace:
        try:
            seen = capture(
                server,
                seconds=seconds,
                most_bytes=most_bytes,
                most_commands=sample or 1_000_000,
                progress=lambda share: tell("Watching", share),
            )
            after = server.info()
        except RefusedError as refused:
            notes.append(f"{refused}; looked at the keyspace only")
    most = sample or 10_000 if keyspace or seen is None else _SAMPLE
    held = scan(server, most, progress=lambda share: tell("Looking at keys", share))
    present = _present(server, after, settings)
    scale = _scale(present, held)
    work: Workload | None = None
    watched: Watched | None = None
    forecasts: list[Forecast] = []
    pairs: list[Pair] = []
    if seen is not None:
        operations, commands, elsewhere = _operations(seen, server.database)
        used = Counter(each.key for each in operations)
        known = {each.key: each for each in held if each.key in used}
        wanted = [key for key, _ in used.most_common(_LOOKED_UP) if key not in known]
        known |= {each.key: each for each in look(server, wanted)}
        work = workload(
            operations, known, scale=scale, nothing_left=_grown(before, after, _LEFT) == 0
        )
        watched = _watched(seen, work, commands, before, after)
        notes += _blind_spots(seen, watched, elsewhere, present)
        if watched.reads > watched.unknown:
            forecasts = forecast(
                work,
                _sizes(present),
                settings,
                fixed=present.fixed_memory,
                warm=_WARM,
                progress=lambda share: tell("Simulating", share),
            )
        pairs = _pairs(operations)
    lines = prefixes(held, work, 0.0 if watched is None else watched.seconds)
    cold = _cold(held)
    return RedisAdvice(
        present=present,
        watched=watched,
        sampled_keys=len(held),
        forecasts=forecasts,
        pairs=pairs,
        prefixes=lines,
        big=[_entry(each) for each in sorted(held, key=lambda each: -each.bytes)[:_FOUND]],
        cold=[_entry(each) for each in cold],
        suggestions=suggest(present, watched, forecasts, lines, held, cold),
        notes=notes,
    )


def _settings(server: Server, info: dict[str, str], notes: list[str]) -> Settings:
    asked = ("maxmemory-samples", "lfu-log-factor", "lfu-decay-time")
    told: dict[str, int] = {}
    try:
        for name in asked:
            reply = server.ask("CONFIG", "GET", name)
            with server.understood():
                pairs = (
                    reply.items()
                    if isinstance(reply, dict)
                    else zip(*[iter(reply)] * 2, strict=True)
                )
                told |= {_text(key): min(within(int(value)), _SETTING) for key, value in pairs}
    except RefusedError as refused:
        notes.append(f"{refused}; took {', '.join(asked)} as they are by default")
    return Settings(
        maxmemory=_number(info, "maxmemory"),
        policy=info.get("maxmemory_policy", "noeviction"),
        samples=max(told.get(asked[0], 5), 1),
        log_factor=told.get(asked[1], 10),
        decay_time=told.get(asked[2], 1),
    )


def _text(told: bytes | str) -> str:
    return told.decode() if isinstance(told, bytes) else told


def _number(info: dict[str, str], name: str) -> int:
    try:
        return within(int(info.get(name, "0")))
    except ValueError:
        return 0


_LEFT = ("evicted_keys", "expired_keys")
_FIXED = (
    "used_memory_startup",
    "mem_clients_normal",
    "mem_clients_slaves",
    "mem_replication_backlog",
    "mem_aof_buffer",
    "used_memory_scripts",
)


def _grown(before: dict[str, str], after: dict[str, str], names: Iterable[str]) -> int:
    return sum(_number(after, name) - _number(before, name) for name in names)


def _present(server: Server, info: dict[str, str], settings: Settings) -> Present:
    hits, misses = _number(info, "keyspace_hits"), _number(info, "keyspace_misses")
    used = _number(info, "used_memory")
    fixed = sum(_number(info, name) for name in _FIXED)
    with server.understood():
        keys = sum(
            within(int(part.removeprefix("keys=")))
            for name, value in info.items()
            if name.startswith("db") and name[2:].isdigit()
            for part in value.split(",")
            if part.startswith("keys=")
        )
    valkey = info.get("valkey_version")
    return Present(
        server=server.name,
        software=f"Valkey {valkey}" if valkey else f"Redis {info['redis_version']}",
        settings=settings,
        used_memory=used,
        fixed_memory=min(fixed, used),
        keys=keys,
        hit_ratio=hits / (hits + misses) if hits + misses else None,
    )


def _scale(present: Present, held: list[HeldKey]) -> float:
    """Return how much more entries take than MEMORY USAGE says: tables, and what is unused."""
    said = sum(each.bytes for each in held)
    if present.keys < 100 or said == 0:  # so few take less than what was left out
        return 1.0
    taken = (present.used_memory - present.fixed_memory) / present.keys
    return min(max(taken / (said / len(held)), 0.5), 2.0)


def _operations(seen: Capture, database: int) -> tuple[list[Operation], int, int]:
    """Return what was done in this database, and the commands here and elsewhere."""
    name = str(database).encode()
    operations: list[Operation] = []
    here = elsewhere = 0
    for command in seen.commands():
        if command.database == name:
            here += 1
            operations += operations_of(command)
        else:
            elsewhere += 1
    return operations, here, elsewhere


def _watched(
    seen: Capture, work: Workload, commands: int, before: dict[str, str], after: dict[str, str]
) -> Watched:
    hits = _grown(before, after, ["keyspace_hits"])
    asked = hits + _grown(before, after, ["keyspace_misses"])
    return Watched(
        seconds=seen.seconds,
        ended=seen.ended,
        commands=commands,
        reads=int(work.reads.sum()),
        unknown=int(work.unknown.sum()),
        keys=len(work.keys),
        footprint=work.footprint,
        hit_ratio=hits / asked if asked > 0 and hits >= 0 else None,
    )


def _sizes(present: Present) -> list[int]:
    now = present.settings.maxmemory or present.used_memory
    room = max(now - present.fixed_memory, 1)
    return [present.fixed_memory + max(int(share * room), 1) for share in _SIZES]


def _warnings(info: dict[str, str]) -> list[str]:
    notes = []
    if info.get("cluster_enabled") == "1":
        notes.append("this is one node of a cluster: the others were not looked at")
    if info.get("role") == "slave":
        notes.append("this is a replica: it evicts nothing by itself, so look at its primary")
    if info.get("loading") == "1":
        notes.append("the server is loading its data: look again later")
    return notes


def _blind_spots(seen: Capture, watched: Watched, elsewhere: int, present: Present) -> list[str]:
    notes = [
        "MONITOR shows no replies: a read that its key's next command fills was taken for a miss",
    ]
    if seen.ended != "time":
        notes.append(f"watching ended after {seen.seconds:.1f} s, by the limit of {seen.ended}")
    if elsewhere:
        notes.append(f"{elsewhere:,} commands of other databases were left out")
    room = (present.settings.maxmemory or present.used_memory) - present.fixed_memory
    if watched.reads == 0:
        notes.append("no reads were watched: nothing is predicted")
    elif watched.footprint < room:
        notes.append(
            f"what was used takes {watched.footprint:,} of {room:,} bytes: watch longer to tell"
            " sizes of more than that apart"
        )
    return notes


def _pairs(operations: list[Operation]) -> list[Pair]:
    reads = [each for each in operations if each.kind == 0]
    predictor = _native.NextKeys(keys=1 << 16, most=1, horizon=_SOON)
    predictor.see([each.key for each in reads], [each.client for each in reads])
    counts = Counter(each.key for each in reads)
    found = []
    for key, count in counts.most_common(1000):
        if count < 5:
            break
        for comes, score, _ in predictor.next(key, 1):
            if score >= _SURE and isinstance(comes, bytes):
                found.append((count * score, key, comes, score, count))
    # What is read all the time comes after everything.
    usual = {key for key, count in counts.items() if count * _SOON > _SURE * len(reads)}
    found = [each for each in found if each[2] not in usual]
    found.sort(key=lambda each: -each[0])
    return [
        Pair(after=shown(key), comes=shown(comes), score=round(score, 3), reads=count)
        for _, key, comes, score, count in found[:_FOUND]
    ]


def _cold(held: list[HeldKey]) -> list[HeldKey]:
    cold = [
        each
        for each in held
        if (each.idle is not None and each.idle >= _IDLE) or each.frequency == 0
    ]
    return sorted(cold, key=lambda each: -each.bytes * (each.idle or 1.0))[:_FOUND]


def _entry(held: HeldKey) -> Entry:
    return Entry(
        key=shown(held.key),
        type=held.type,
        bytes=held.bytes,
        ttl=held.ttl,
        idle=held.idle,
        frequency=held.frequency,
    )
