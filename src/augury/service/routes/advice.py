"""Advice for an external cache, Redis or Memcached for example, from its accesses."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.responses import Response

from augury.advice import Access, Admission, Advisor, AdvisorStats
from augury.service.auth import needs, needs_all
from augury.service.json import Json, described
from augury.service.problems import Problem
from augury.service.service import Service

_MOST = 10_000

Key = Annotated[str, StringConstraints(max_length=4096)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]


class OneAccess(BaseModel):
    """A read of the external cache, whether it found the key or not."""

    model_config = ConfigDict(extra="forbid")

    key: Key
    size: Bytes = 1
    """Bytes that the entry takes there."""
    time: Annotated[float, Field(ge=0, lt=2**32)] | None = None
    """Seconds since 1970; now, by default."""
    hit: bool | None = None
    session: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Who asked: what comes next is learned within sessions."""


class Accesses(BaseModel):
    """Reads, in their order."""

    model_config = ConfigDict(extra="forbid")

    accesses: Annotated[list[OneAccess], Field(max_length=_MOST)]


class Room(BaseModel):
    """How many keys have to leave, or which ones may."""

    model_config = ConfigDict(extra="forbid")

    n: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    """So many, of all that there are; they are taken for evicted then."""
    candidates: Annotated[list[Key], Field(max_length=_MOST)] | None = None
    """These are put in order, and nothing changes."""

    @model_validator(mode="after")
    def _has_one(self) -> Room:
        if (self.n is None) == (self.candidates is None):
            raise ValueError("give either n or candidates")
        return self


class Gone(BaseModel):
    """Keys that have left the external cache by themselves."""

    model_config = ConfigDict(extra="forbid")

    keys: Annotated[list[Key], Field(max_length=_MOST)]


class AdvisorView(msgspec.Struct, frozen=True, kw_only=True):
    """An advisor."""

    name: str
    policy: str
    capacity: int
    stats: AdvisorStats
    hit_ratio: float
    """Of its shadow cache: what the external one could reach."""


class AllAdvisors(msgspec.Struct, frozen=True, kw_only=True):
    """All advisors of the configuration."""

    advisors: list[AdvisorView]


class NextKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that probably comes soon."""

    key: str
    score: float
    """Probability that it is asked for within 256 accesses."""
    reason: str
    """Which predictor says so."""


class WhatComes(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that probably come next, the likeliest first."""

    next: list[NextKey]


class EvictedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to evict."""

    key: str
    reason: str


class Evictions(msgspec.Struct, frozen=True, kw_only=True):
    """Keys to evict, the first to go first."""

    evict: list[EvictedKey]


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/advisors", tags=["advice"], dependencies=[needs_all])
    changes = [needs("write")]

    def found(name: str) -> Advisor:
        try:
            return service.advisors[name]
        except KeyError:
            raise Problem(404, "there is no such advisor; /v1/advisors lists them") from None

    @routes.get("", responses=described(AllAdvisors))
    def advisors() -> Response:
        """List the advisors, and what they have seen."""
        return Json(AllAdvisors(advisors=[_view(*each) for each in service.advisors.items()]))

    @routes.get("/{name}", responses=described(AdvisorView))
    def advisor(name: str) -> Response:
        """Tell what an advisor has seen: if `to_evict` is above 0, ask for that many to evict."""
        return Json(_view(name, found(name)))

    @routes.post("/{name}/accesses", dependencies=changes, responses=described(AdvisorView))
    def record(name: str, given: Accesses) -> Response:
        """Learn of reads of the external cache, hits and misses."""
        advises = found(name)
        advises.record(Access(**dict(each)) for each in given.accesses)
        return Json(_view(name, advises))

    @routes.get("/{name}/next", responses=described(WhatComes))
    def following(
        name: str, key: Annotated[Key, Query()], n: Annotated[int, Query(ge=1, le=8)] = 4
    ) -> Response:
        """Tell which keys probably come after one, for fetching them ahead."""
        return Json(
            WhatComes(
                next=[
                    NextKey(key=str(each.key), score=each.score, reason=each.reason)
                    for each in found(name).next(key, n)
                ]
            )
        )

    @routes.get("/{name}/admit", responses=described(Admission))
    def admit(
        name: str,
        key: Annotated[Key, Query()],
        size: Annotated[int, Query(ge=0, le=2**53)] = 1,
    ) -> Response:
        """Tell whether a key that was missed should be stored."""
        return Json(found(name).admit(key, size))

    @routes.post("/{name}/evict", dependencies=changes, responses=described(Evictions))
    def evict(name: str, room: Room) -> Response:
        """Name keys to evict, or put candidates in order."""
        advises = found(name)
        if room.candidates is not None:
            named = advises.rank(room.candidates)
        else:
            named = advises.evict(room.n or 1)
        return Json(
            Evictions(evict=[EvictedKey(key=str(each.key), reason=each.reason) for each in named])
        )

    @routes.post("/{name}/forget", dependencies=changes, responses=described(AdvisorView))
    def forget(name: str, gone: Gone) -> Response:
        """Learn of keys that have left: deleted, expired, or evicted after `candidates`."""
        advises = found(name)
        advises.forget(gone.keys)
        return Json(_view(name, advises))

    return routes


def _view(name: str, advisor: Advisor) -> AdvisorView:
    stats = advisor.stats()
    return AdvisorView(
        name=name,
        policy=str(advisor.policy),
        capacity=advisor.capacity,
        stats=stats,
        hit_ratio=stats.hit_ratio,
    )
