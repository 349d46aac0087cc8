"""The application: every route of `augury.service.routes` behind one gate."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

import augury.service.routes
from augury.discovery import module_names
from augury.service.auth import needs
from augury.service.entries import OPERATIONS, PATH
from augury.service.gate import Gate
from augury.service.json import COMPONENTS
from augury.service.problems import RESPONSES, handle_errors
from augury.service.service import Service


def application(service: Service) -> ASGIApp:
    """Return the HTTP API of a service as an ASGI application.

    Parameters
    ----------
    service
        What it serves. It is not closed: that is up to whoever made it.
    """
    app = FastAPI(
        title="Augury",
        description="A key-value cache that infers.",
        version=version("augury"),
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    handle_errors(app)
    package = augury.service.routes.__name__
    for name in module_names(package):
        module = import_module(f"{package}.{name}")
        public = getattr(module, "PUBLIC", False)
        app.include_router(
            module.router(service),
            dependencies=[] if public else [needs("read")],
            responses=RESPONSES,
        )
    app.openapi = partial(_document, app)  # type: ignore[method-assign]
    return Gate(app, service)


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: of the routes, and of what is none."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        document["paths"][PATH] = OPERATIONS
        document["components"]["schemas"] |= COMPONENTS
        app.openapi_schema = document
    return app.openapi_schema
