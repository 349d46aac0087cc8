"""Responses in JSON by msgspec, and what the OpenAPI document says of them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

_REFERENCE = "#/components/schemas/{name}"
COMPONENTS: dict[str, Any] = {}
"""Schemas that `described` refers to, for the OpenAPI document."""


class Json(Response):
    """A response whose body is JSON; anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return msgspec.json.encode(content, enc_hook=str)


def described(kind: type) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of responses with a `msgspec.Struct`: its parameter `responses`."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    COMPONENTS.update(components)
    return {200: {"description": "Success", "content": {"application/json": {"schema": schema}}}}
