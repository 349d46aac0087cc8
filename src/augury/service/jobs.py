"""Jobs of the service, which learn from traces or evaluate models: one at a time, in turn."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal

import msgspec

from augury.closing import Closing
from augury.errors import AuguryError
from augury.models import Registry, load_model
from augury.service.job_child import Child
from augury.service.job_process import Outcome, Step, Task
from augury.service.problems import Problem
from augury.service.traces import Traces

_log = logging.getLogger("augury.service")

State = Literal["waiting", "running", "done", "failed", "cancelled"]

_KEPT = 100
"""How many jobs are remembered once they have ended."""


class Job(msgspec.Struct, kw_only=True):
    """A job, as clients see it."""

    id: int
    kind: str
    """``"training"`` or ``"evaluation"``."""
    trace: str
    """The name of the trace."""
    model: str
    """The kind of model to train, or the version to evaluate."""
    state: State = "waiting"
    stage: str = "waiting"
    """What it does at present."""
    share: float = 0.0
    """How much of it is done, from 0 to 1."""
    created: float = 0.0
    """When it was asked for: seconds since 1970."""
    started: float | None = None
    ended: float | None = None
    version: int | None = None
    """The version of the registry that training has published."""
    error: str | None = None
    """Why it has failed, in one line."""
    result: dict[str, Any] = {}
    """Requests, scores and miss ratios, by policy and capacity."""

    def over(self) -> bool:
        """Whether nothing of it will change."""
        return self.state in ("done", "failed", "cancelled")


class Jobs(Closing):
    """Runs jobs in processes of their own, one after the other.

    Parameters
    ----------
    registry
        Where trained models are published.
    traces
        What is learned from.
    queue
        How many may wait.
    """

    def __init__(self, registry: Registry | None, traces: Traces, queue: int) -> None:
        self._registry = registry
        self._traces = traces
        self._queue = queue
        self._changed = threading.Condition()  # its lock is re-entrant
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[tuple[Job, Task, bool]] = deque()
        self._number = 0
        self._thread: threading.Thread | None = None
        self._child: Child | None = None
        self._closed = False

    def train(
        self, trace: str, model: str, until: float, sizes: tuple[str, ...], *, activate: bool
    ) -> Job:
        """Have a model trained and published.

        Raises
        ------
        Problem
            404 if there is no such trace, 409 if there is no registry, 503 if too many wait.
        """
        self._the_registry()
        task = Task(
            kind="training",
            trace=str(self._traces.path(trace)),
            name=trace,
            file="",
            sizes=sizes,
            model=model,
            until=until,
        )
        return self._add(task, model, activate=activate)

    def evaluate(self, number: int, trace: str, until: float, sizes: tuple[str, ...]) -> Job:
        """Have a version of the registry simulated on a trace.

        Raises
        ------
        Problem
            404 if there is no such trace or version, 409 if there is no registry, 503 if too many
            wait.
        """
        versions = {each.number: each.path for each in self._the_registry().versions()}
        if number not in versions:
            raise Problem(404, "there is no such version; /v1/models lists them")
        task = Task(
            kind="evaluation",
            trace=str(self._traces.path(trace)),
            name=trace,
            file=str(versions[number]),
            sizes=sizes,
            until=until,
        )
        return self._add(task, str(number), activate=False)

    def all(self) -> list[Job]:
        """Return the jobs that wait, run, or have ended lately, the newest first."""
        with self._changed:
            return [msgspec.structs.replace(job) for job in reversed(self._jobs.values())]

    def get(self, number: int) -> Job:
        """Return one of them.

        Raises
        ------
        Problem
            404 if there is none of that number, or no longer.
        """
        with self._changed:
            return msgspec.structs.replace(self._known(number))

    def cancel(self, number: int) -> Job:
        """End a job, whether it waits or runs; one that is over stays as it is.

        Raises
        ------
        Problem
            404 if there is none of that number, or no longer.
        """
        with self._changed:
            job = self._known(number)
            running = job.state == "running"
            if not job.over():
                self._end(job, "cancelled")
            self._waiting = deque(each for each in self._waiting if each[0] is not job)
            child = self._child if running else None
            if child is not None:
                child.stop()
        return self.get(number)

    def close(self) -> None:
        """End what runs, and start nothing more. A second call does nothing."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            for job in self._jobs.values():
                if not job.over():
                    self._end(job, "cancelled")
            if self._child is not None:
                self._child.stop()
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _the_registry(self) -> Registry:
        if self._registry is None:
            raise Problem(409, "no registry is configured: give the folder `registry`")
        return self._registry

    def _known(self, number: int) -> Job:
        try:
            return self._jobs[number]
        except KeyError:
            raise Problem(404, "there is no such job; /v1/training/jobs lists them") from None

    def _add(self, task: Task, model: str, *, activate: bool) -> Job:
        with self._changed:
            if self._closed:
                raise Problem(503, "the service is stopping")
            if len(self._waiting) >= self._queue:
                raise Problem(
                    503, f"{self._queue} jobs wait already; try again later", {"Retry-After": "60"}
                )
            self._number += 1
            job = Job(
                id=self._number,
                kind=task.kind,
                trace=task.name,
                model=model,
                created=time.time(),
            )
            self._jobs[job.id] = job
            over = [number for number, each in self._jobs.items() if each.over()]
            for number in over[:-_KEPT]:
                del self._jobs[number]
            self._waiting.append((job, task, activate))
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="augury-jobs", daemon=True)
                self._thread.start()
            return msgspec.structs.replace(job)

    # ------------------------------------------------------------ in the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job, task, activate = self._waiting.popleft()
                job.state, job.stage, job.started = "running", "starting", time.time()
            try:
                self._run(job, task, activate)
            except Exception:
                _log.exception("job %d has failed", job.id)
                self._fail(job, "the service has failed; its log says why")

    def _run(self, job: Job, task: Task, activate: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="augury-job-") as scratch:
            if task.kind == "training":
                task = msgspec.structs.replace(task, file=str(Path(scratch) / "trained"))
            with Child() as child:
                with self._changed:
                    if job.over():
                        return
                    self._child = child
                try:
                    outcome = child.run(task, lambda step: self._tell(job, step))
                finally:
                    with self._changed:
                        self._child = None
            if outcome.error is not None:
                self._fail(job, self._traces.without_paths(outcome.error))
            else:
                self._finish(job, task, outcome, activate)

    def _tell(self, job: Job, step: Step) -> None:
        with self._changed:
            if not job.over():
                job.stage, job.share = step.stage, step.share

    def _finish(self, job: Job, task: Task, outcome: Outcome, activate: bool) -> None:
        trained = None
        if task.kind == "training":
            try:
                trained = load_model(task.file)  # is checked before it is published
            except (AuguryError, OSError) as error:
                self._fail(job, f"what was trained cannot be used: {error}")
                return
        with self._changed:  # whoever cancels it comes before, or too late
            if job.over():
                return
            if trained is not None:
                try:
                    job.version = self._the_registry().publish(trained, activate=activate).number
                except (AuguryError, OSError) as error:
                    self._fail(job, f"the model cannot be published: {error}")
                    return
            job.result, job.share = outcome.result, 1.0
            self._end(job, "done")

    def _fail(self, job: Job, why: str) -> None:
        with self._changed:
            if not job.over():
                job.error = " ".join(why.split())
                self._end(job, "failed")

    def _end(self, job: Job, state: State) -> None:
        job.state, job.stage, job.ended = state, state, time.time()
        self._changed.notify_all()
