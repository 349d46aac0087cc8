"""Eviction policies as a configuration names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from augury.policies import describe, parse


def _known(given: str) -> str:
    if describe(parse(given).name).offline:
        raise ValueError(f"policy {given!r} needs to know the future: it serves simulations only")
    return given


PolicyName = Annotated[str, AfterValidator(_known)]
"""Such as ``"lru"`` or ``"s3fifo(small=0.2)"``."""
