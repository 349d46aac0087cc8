"""All that is observed."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from augury.observe import Snapshot
from augury.observe.views import View
from augury.service.auth import Caller, caller_of
from augury.service.json import Json, described
from augury.service.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["observing"])

    @routes.get("/v1/snapshot", responses=described(Snapshot))
    async def snapshot(request: Request) -> Response:
        """Return what caches, tiers, answers and models do at this moment."""
        return Json(_seen_by(caller_of(request), service.observer.snapshot()))

    return routes


def _seen_by(caller: Caller, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without the caches that a caller may not use."""

    def seen(views: list[Any]) -> list[Any]:
        return [view for view in views if not isinstance(view, View) or caller.sees(view.name)]

    return msgspec.structs.replace(
        snapshot,
        caches=seen(snapshot.caches),
        tiers=seen(snapshot.tiers),
        prefetchers=seen(snapshot.prefetchers),
    )
