"""The process in which a job learns or evaluates, so that requests go on meanwhile.

``python -m augury.service.job_process`` reads one `Task` from its standard input, and writes a line
of JSON to its output whenever it is further: a `Step`, at last a `Outcome`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from augury.accesslog import Spool, read_trace
from augury.errors import AuguryError
from augury.learning import prepare
from augury.learning.training import train
from augury.models import Artefact, load_model
from augury.simulation import simulate_many

_NICENESS = 10
_EVERY = 0.1  # seconds at least between two lines, as progress is told often
_BESIDE = ("lru", "s3fifo", "belady")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    kind: str
    """``"training"`` or ``"evaluation"``."""
    trace: str
    """The path of the trace."""
    name: str
    """What the model's card calls it."""
    file: str
    """The model's: written by training, read by evaluation."""
    sizes: tuple[str, ...]
    """Of the simulated caches."""
    model: str = "gbm"
    """Which kind is trained."""
    until: float = 0.5
    """The share of the requests to learn from, or to warm caches with; the rest tests."""


class Step(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """How far it is."""

    stage: str
    share: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """How it has ended."""

    result: dict[str, Any] = {}
    error: str | None = None
    """What was wrong, in one line; None: nothing."""


def perform(task: Task, tell: Callable[[str, float], None]) -> dict[str, Any]:
    """Do a task, and return what is to be known of it.

    Parameters
    ----------
    task
        What to do.
    tell
        Is called with the stage and the share done, from 0.0 to 1.0.

    Raises
    ------
    AuguryError
        If the trace cannot be read, or has too little in it.
    """
    opened = read_trace(task.trace)
    with Spool(opened, progress=lambda share: tell("reading", 0.2 * share)) as spool:
        if task.kind == "training":
            tell("preparing", 0.2)
            lesson = prepare(spool, until=task.until, rows=100_000, name=task.name)
            artefact, _ = train(
                lesson, task.model, lambda share: tell("training", 0.3 + 0.4 * share)
            )
            artefact.save(task.file)
        else:
            artefact = load_model(task.file)
        tell("simulating", 0.7)
        return {
            "requests": spool.requests,
            "distinct": spool.distinct,
            "malformed": opened.malformed.count,
            "scores": artefact.card.scores,
            "miss_ratios": _simulated(spool, artefact, task, tell),
        }


def _simulated(
    spool: Spool, artefact: Artefact, task: Task, tell: Callable[[str, float], None]
) -> dict[str, dict[str, float]]:
    """Return the miss ratio by policy and capacity, of the requests after the first ones."""
    results = simulate_many(
        spool,
        ["learned", *_BESIDE],
        task.sizes,
        warm=min(task.until, 1 - 1e-9),
        model=artefact,
        jobs=1,
        progress=lambda share: tell("simulating", 0.7 + 0.3 * share),
    )
    ratios: dict[str, dict[str, float]] = {}
    for each in results:
        ratios.setdefault(each.policy, {})[str(each.capacity)] = each.miss_ratio
    return ratios


class _Lines:
    """Writes what is told to the standard output, not too often."""

    def __init__(self) -> None:
        self._at = 0.0
        self._stage = ""

    def __call__(self, stage: str, share: float) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._at > _EVERY:
            self._at, self._stage = now, stage
            _write(Step(stage=stage, share=min(1.0, share)))


def _write(message: Step | Outcome) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Do the task that the standard input names."""
    os.nice(_NICENESS)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    try:
        result = perform(task, _Lines())
    except AuguryError as error:
        _write(Outcome(error=" ".join(str(error).split())))
    except OSError as error:
        _write(Outcome(error=f"{Path(error.filename or 'a file').name}: {error.strerror}"))
    else:
        _write(Outcome(result=result))


if __name__ == "__main__":
    main()
