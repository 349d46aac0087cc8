"""Memory, measured in a fresh process each: ``python -m augury.bench.fresh WHAT ARGUMENTS``."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from augury.errors import AuguryError


def held_memory(contender: str, entries: int) -> int:
    """Return by how many bytes a process grows when a cache is filled.

    Keys and values are there before: what is counted is what the cache itself needs for them.

    Parameters
    ----------
    contender
        ``"dict"`` for a plain dict, ``"augury POLICY"``, or the name of a peer.
    entries
        How many entries it gets; also its capacity.
    """
    return _ask("fill", contender, str(entries))[0]


def replay_memory(contender: str, file: Path, policy: str, capacity: int) -> tuple[int, int]:
    """Return by how many bytes a process grows at its peak while it replays a trace.

    Besides, how many of them are pages of the trace itself, which libcachesim maps and Augury
    reads.

    Parameters
    ----------
    contender
        ``"augury"``, ``"libcachesim"`` or, as it comes, ``"libcachesim-standard"``.
    file
        A trace of oracleGeneral records.
    policy
        Augury's name of the policy.
    capacity
        How many entries the cache has.
    """
    grown, mapped = _ask("replay", contender, str(file), policy, str(capacity))
    return grown, mapped


def _ask(*arguments: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-m", "augury.bench.fresh", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise AuguryError(f"measuring memory of {' '.join(arguments)} failed: {last[0]}")
    return [int(number) for number in done.stdout.split()]


def _status(field: str) -> int:
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    raise AuguryError("memory can be measured on Linux only; use --only to measure other rows")


def _fill(contender: str, count: int) -> int:
    from augury.bench.peers import PEERS, Augury, LruCache

    # Above the small integers that Python shares; values are the keys.
    keys = list(range(1_000_000_000, 1_000_000_000 + count))
    if contender == "dict":
        held: dict[int, int] = {}
        gc.collect()
        before = _status("VmRSS")
        for key in keys:
            held[key] = key
        return _status("VmRSS") - before
    name, _, policy = contender.partition(" ")
    peer = Augury(policy) if name == "augury" else next(p for p in PEERS if p.name == contender)
    cache = peer.make(count) if peer.mapping else LruCache().memoise(_same, count)
    gc.collect()
    before = _status("VmRSS")
    if peer.mapping:
        peer.write(cache, keys)
    else:
        for key in keys:
            cache(key)
    return _status("VmRSS") - before


def _same(argument: int) -> int:
    return argument


def _replay(contender: str, file: str, policy: str, capacity: str) -> tuple[int, int]:
    from augury.bench import simulation

    replay = simulation.replay_ours
    if contender != "augury":
        import_module("libcachesim")
        standard = contender.endswith("standard")
        replay = simulation.replay_standard if standard else simulation.replay_theirs
    gc.collect()
    before, mapped = _status("VmRSS"), _status("RssFile")
    # The peak so far, of importing, would hide a smaller one to come.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    replayed = replay(Path(file), policy, int(capacity))
    grown = _status("VmHWM") - before, _status("RssFile") - mapped
    del replayed
    return grown


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "fill":
        print(_fill(rest[0], int(rest[1])))
    else:
        print(*_replay(*rest))
    sys.stdout.flush()
    os._exit(0)  # freeing a million entries would only take time
