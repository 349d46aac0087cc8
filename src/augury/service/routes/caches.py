"""Caches as a whole, and many entries at once; one entry alone is in `augury.service.entries`."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import (
    Base64Encoder,
    BaseModel,
    ConfigDict,
    EncodedBytes,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from augury.loading import DEFAULT
from augury.service.auth import caller_of, needs
from augury.service.entries import LONGEST
from augury.service.entry import BYTES, MEDIA_TYPE, Entry
from augury.service.limits import KEY_LENGTH
from augury.service.service import Service

MANY = 1000
"""Most keys of one request."""


Key = Annotated[str, StringConstraints(min_length=1, max_length=KEY_LENGTH)]


class Body(BaseModel):
    """What all bodies share: nothing that is not known."""

    model_config = ConfigDict(extra="forbid")


_IN_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class _Base64(Base64Encoder):
    """Refuses what the standard library's decoder would pass over."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            raise PydanticCustomError("base64", "is no base64") from None


class ManyKeys(Body):
    """Which entries to read."""

    keys: Annotated[list[Key], Field(max_length=MANY)]


class Value(Body):
    """An entry in JSON."""

    body: Annotated[
        bytes, EncodedBytes(encoder=_Base64), Field(json_schema_extra={"pattern": _IN_BASE64})
    ]
    """Its bytes, in base64."""
    media_type: Annotated[str, StringConstraints(pattern=f"^{MEDIA_TYPE}$")] = BYTES
    """Its Content-Type."""


class Found(Body):
    """The entries that there are, by key."""

    entries: dict[str, Value]


class ManyEntries(Body):
    """Entries to store, by key."""

    entries: Annotated[dict[Key, Value], Field(max_length=MANY)]
    ttl: Annotated[float, Field(gt=0, le=LONGEST)] | None = None
    """Their time to live in seconds; none: the cache's own."""


class Dropped(Body):
    """What to drop; a source stays as it is."""

    keys: Annotated[list[Key], Field(max_length=MANY)] = []
    tags: Annotated[list[Key], Field(max_length=MANY)] = []
    """Entries with one of these, of caches with tiers."""
    all: bool = False
    """Every entry; takes the scope "admin"."""


class Detail(BaseModel):
    """A cache."""

    name: str
    kind: str
    """``"memory"`` or ``"tiers"``."""
    policy: str | None = None
    capacity: int | None = None
    weight: int | None = None
    entries: int | None = None
    hit_ratio: float | None = None
    stats: dict[str, Any]
    """What it has done so far."""


class Caches(BaseModel):
    """All caches that the caller may use."""

    caches: list[Detail]


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/caches", tags=["caches"])
    writes = [needs("write")]

    @routes.get("")
    async def caches(request: Request) -> Caches:
        """List the caches."""
        caller = caller_of(request)
        seen = [name for name in service.stores if caller.sees(name)]
        return Caches(
            caches=[Detail(name=name, **service.stores[name].describe()) for name in seen]
        )

    @routes.get("/{cache}")
    async def one(cache: str) -> Detail:
        """Tell what a cache is, and what it has done so far."""
        return Detail(name=cache, **service.store(cache).describe())

    @routes.get("/{cache}/explain")
    async def explain(cache: str, key: Annotated[Key, Query()]) -> dict[str, Any]:
        """Tell why a key is in a cache or not; this leaves no trace in it."""
        return service.store(cache).explain(key)

    @routes.post("/{cache}/many-get")
    async def many_get(cache: str, wanted: ManyKeys) -> Found:
        """Read many entries."""
        found = await service.store(cache).get_many(wanted.keys)
        return Found.model_construct(
            entries={
                key: Value.model_construct(body=entry.body, media_type=entry.media_type)
                for key, entry in found.items()
            }
        )

    @routes.post("/{cache}/many-set", status_code=204, dependencies=writes)
    async def many_set(cache: str, given: ManyEntries) -> Response:
        """Store many entries."""
        await service.store(cache).set_many(
            {key: Entry(value.body, value.media_type) for key, value in given.entries.items()},
            DEFAULT if given.ttl is None else given.ttl,
        )
        return Response(status_code=204)

    @routes.post("/{cache}/invalidate", status_code=204, dependencies=writes)
    async def invalidate(request: Request, cache: str, dropped: Dropped) -> Response:
        """Drop entries."""
        store = service.store(cache)
        if dropped.all:
            caller_of(request).require("admin", cache)
            await store.clear()
        else:
            await store.invalidate(dropped.keys, dropped.tags)
        return Response(status_code=204)

    return routes
