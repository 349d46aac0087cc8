"""All that is observed: for programs, and for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from augury.metrics.prometheus import exposition
from augury.observe import Snapshot
from augury.service.auth import caller_of
from augury.service.json import Json, described
from augury.service.service import Service


class Asked(BaseModel):
    """How much of it is told."""

    model_config = ConfigDict(extra="forbid")

    cache: Annotated[str | None, StringConstraints(max_length=255)] = None
    """Whose history; none: that of every cache."""


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["observing"])

    @routes.get("/v1/snapshot", responses=described(Snapshot))
    async def snapshot(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """Return what caches, tiers, answers and models do at this moment."""
        return Json(service.snapshot(caller_of(request), history=asked.cache))

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
    )
    async def metrics(request: Request) -> Response:
        """Return the same for Prometheus to scrape."""
        accept = request.headers.get("accept", "")
        text, content_type = exposition(service.snapshot(caller_of(request)), accept)
        return Response(text, headers={"content-type": content_type})

    return routes
