"""``[training]``: jobs of the service that learn eviction from recorded accesses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from augury.config.sections.section import LocalPath, Section


class Training(Section):
    """Training: ``[training]``."""

    folder: LocalPath | None = None
    """Where traces and recorded accesses are; nothing outside of it is read. None: no training."""
    queue: Annotated[int, Field(ge=1, le=1_000)] = 4
    """How many jobs may wait; one runs at a time."""
    sample: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of the keys whose requests are recorded, of caches with `record`."""
    keep: Annotated[int, Field(ge=1)] = 1_000
    """How many files of recorded requests are kept of a cache."""
