"""The dashboard's files. They hold no secret: what they show, they ask for with a token."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from augury.service.service import Service

PUBLIC = True

FILES = Path(__file__).parents[1] / "dashboard"

# Nothing but its own files, none of it inline, and no script made of text: keys and names come from
# strangers.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cache-Control": "no-cache",  # asked for again by its ETag: a newer release shows at once
}


def router(_: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)
    files = StaticFiles(directory=FILES)

    @routes.get("/")
    async def front() -> Response:
        """Lead to the dashboard whoever opens the service's address in a browser."""
        return RedirectResponse("dashboard/")

    @routes.api_route("/dashboard/{path:path}", methods=["GET", "HEAD"])
    async def file(request: Request, path: str) -> Response:
        """Return one of the files."""
        response = await files.get_response(path or "index.html", request.scope)
        response.headers.update(_HEADERS)
        return response

    return routes
