"""Whether the service lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from augury.service.auth import caller_of
from augury.service.problems import Problem
from augury.service.service import Service

PUBLIC = True


class Alive(BaseModel):
    """What is answered if all is well."""

    status: str = "ok"


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Alive:
        """Say that the process lives."""
        return Alive()

    @routes.get("/readyz", responses={503: {"description": "It stops, or a last tier is down."}})
    async def readyz(request: Request) -> Alive:
        """Say whether requests are served as they should be."""
        if service.stopping:
            raise Problem(503, "the service is about to stop")
        for name, store in service.stores.items():
            if reason := await store.outage():
                seen = caller_of(request).sees(name)  # strangers hear no names
                raise Problem(503, f"{f'cache {name}' if seen else 'a cache'}: {reason}")
        return Alive()

    return routes
