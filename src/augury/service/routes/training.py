"""Jobs that learn from recorded requests, and the traces that they may learn from."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from starlette.responses import Response

from augury.service.auth import needs, needs_all
from augury.service.job_requests import Training, accepted, accepts
from augury.service.jobs import Job
from augury.service.json import Json, described
from augury.service.service import Service
from augury.service.traces import TraceFile

Identity = Annotated[int, Path(ge=1, le=2**53, description="Of the job.")]


class TraceFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What may be learned from."""

    traces: list[TraceFile]


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """Those that wait, run, or have ended lately, the newest first."""

    jobs: list[Job]


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/training", tags=["training"], dependencies=[needs_all])
    decides = [needs("admin")]

    @routes.get("/traces", responses=described(TraceFiles))
    def traces() -> Response:
        """List the traces and recorded requests that models can be trained on."""
        return Json(TraceFiles(traces=service.traces.all()))

    @routes.get("/jobs", responses=described(JobList))
    def jobs() -> Response:
        """List the jobs."""
        return Json(JobList(jobs=service.jobs.all()))

    @routes.get("/jobs/{job}", responses=described(Job))
    def one(job: Identity) -> Response:
        """Tell how far a job is, or how it has ended."""
        return Json(service.jobs.get(job))

    @routes.post("/jobs", status_code=202, dependencies=decides, responses=accepts())
    def train(wanted: Training) -> Response:
        """Train a model on a trace, and publish it in the registry."""
        return accepted(
            service.jobs.train(
                wanted.trace, wanted.model, wanted.until, wanted.sizes, activate=wanted.activate
            )
        )

    @routes.delete("/jobs/{job}", dependencies=decides, responses=described(Job))
    def cancel(job: Identity) -> Response:
        """End a job, whether it waits or runs; one that is over stays as it is."""
        return Json(service.jobs.cancel(job))

    return routes
