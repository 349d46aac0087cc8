"""What clients say of the jobs that they want, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from augury.errors import AuguryError
from augury.learning.fits import fit_names, load_fit
from augury.service.jobs import Job
from augury.service.json import Json, described
from augury.simulation import capacity_of


def _size(size: str) -> str:
    try:
        capacity_of(size, 1_000_000, by_bytes=False)
    except AuguryError as error:
        raise ValueError(str(error)) from None
    return size


def _fit(name: str) -> str:
    try:
        load_fit(name)
    except AuguryError as error:
        raise ValueError(str(error)) from None
    return name


Size = Annotated[str, StringConstraints(max_length=20), AfterValidator(_size)]


class Wanted(BaseModel):
    """What every job is told."""

    model_config = ConfigDict(extra="forbid")

    trace: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    """One of those that are listed; not a path."""
    sizes: Annotated[tuple[Size, ...], Field(min_length=1, max_length=16)] = (
        "1%",
        "5%",
        "10%",
        "20%",
    )
    """Of the simulated caches: entries, or percent of the distinct keys."""
    until: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The first share of the requests, after which the rest tests."""


class Training(Wanted):
    """What to learn from, and what becomes of the model."""

    model: Annotated[str, AfterValidator(_fit), Field(examples=fit_names())] = "gbm"
    """The kind of model."""
    activate: bool = False
    """Whether it decides at once; else it is only published."""


def accepted(job: Job) -> Json:
    """Return the response that a job was taken, and where it is to be seen."""
    return Json(job, 202, {"Location": f"/v1/training/jobs/{job.id}"})


def accepts() -> dict[int | str, dict[str, Any]]:
    """Return what a route says of `accepted`: its parameter `responses`."""
    return {202: described(Job)[200] | {"description": "Accepted"}}
