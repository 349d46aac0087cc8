"""The registry: its versions, what is known of them, and which of them decides."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from augury.errors import ArtefactError
from augury.models import ModelCard, Registry, Version
from augury.service.auth import needs, needs_all
from augury.service.job_requests import Wanted, accepted, accepts
from augury.service.json import Json, described
from augury.service.problems import Problem
from augury.service.service import Service

Number = Annotated[int, Path(ge=1, le=2**53, description="Of the version.")]


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the registry."""

    number: int
    current: bool
    """Whether it is the one in use."""
    card: ModelCard | None = None
    """What its file says of it; None if it cannot be read."""


class ModelVersions(msgspec.Struct, frozen=True, kw_only=True):
    """All versions, from the oldest."""

    versions: list[ModelVersion]


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """The versions that were deleted."""

    deleted: list[int]


class Keep(BaseModel):
    """How many of the newest versions stay."""

    model_config = ConfigDict(extra="forbid")

    keep: Annotated[int, Field(ge=1, le=1_000_000)] = 5


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[needs_all])
    decides = [needs("admin")]

    def registry() -> Registry:
        if service.registry is None:
            raise Problem(404, "no registry is configured: give the folder `registry`")
        return service.registry

    def seen(version: Version, card: ModelCard | None) -> Json:
        return Json(ModelVersion(number=version.number, current=version.current, card=card))

    @routes.get("", responses=described(ModelVersions))
    def versions() -> Response:
        """List the versions, without their cards; there are none without a registry."""
        known = [] if service.registry is None else service.registry.versions()
        return Json(
            ModelVersions(
                versions=[ModelVersion(number=it.number, current=it.current) for it in known]
            )
        )

    @routes.get("/{number}", responses=described(ModelVersion))
    def version(number: Number) -> Response:
        """Tell what a version was learned from, with what, and how good it was."""
        found = _version(registry(), number)
        return seen(found, _card(registry(), number))

    @routes.post("/{number}/activate", dependencies=decides, responses=described(ModelVersion))
    def activate(number: Number) -> Response:
        """Let a version decide from now on, in all processes that share the registry."""
        _version(registry(), number)
        card = _card(registry(), number)
        if card is None:
            raise Problem(409, "this version is no model that can be read, and so cannot decide")
        return seen(registry().activate(number), card)

    @routes.post("/{number}/evaluate", status_code=202, dependencies=decides, responses=accepts())
    def evaluate(number: Number, wanted: Wanted) -> Response:
        """Simulate a version on a trace, beside other policies; the job says how it went."""
        return accepted(service.jobs.evaluate(number, wanted.trace, wanted.until, wanted.sizes))

    @routes.post("/rollback", dependencies=decides, responses=described(ModelVersion))
    def rollback() -> Response:
        """Let the version decide that did so before."""
        try:
            found = registry().rollback()
        except ArtefactError as error:
            raise Problem(409, str(error).partition(": ")[2]) from None
        return seen(found, _card(registry(), found.number))

    @routes.post("/prune", dependencies=decides, responses=described(Pruned))
    def prune(wanted: Keep) -> Response:
        """Delete old versions, but not the current one, nor the one that it would roll back to."""
        return Json(Pruned(deleted=registry().prune(wanted.keep)))

    return routes


def _version(registry: Registry, number: int) -> Version:
    for version in registry.versions():
        if version.number == number:
            return version
    raise Problem(404, "there is no such version; /v1/models lists them")


def _card(registry: Registry, number: int) -> ModelCard | None:
    try:
        return registry.load(number).card
    except (ArtefactError, OSError):
        return None  # damaged, or of another kind: it is listed, but cannot decide
