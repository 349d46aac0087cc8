"""Responses in JSON by msgspec, and what the OpenAPI document says of them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

_REFERENCE = "#/components/schemas/{name}"
COMPONENTS: dict[str, Any] = {}
"""Schemas that `schema_of` refers to, for the OpenAPI document."""


class Json(Response):
    """A response whose body is JSON; anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return msgspec.json.encode(content, enc_hook=str)


def schema_of(kind: type) -> dict[str, Any]:
    """Return the schema of a `msgspec.Struct`: a reference to what the document has of it."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    COMPONENTS.update(components)
    return schema


def described(kind: type) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of responses with a `msgspec.Struct`: its parameter `responses`."""
    content = {"application/json": {"schema": schema_of(kind)}}
    return {200: {"description": "Successful Response", "content": content}}
