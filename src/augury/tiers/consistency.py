"""What a read of tiers promises about writes by other processes."""

from __future__ import annotations

import enum


class Consistency(enum.StrEnum):
    """What a read promises; docs/tiers.md has the whole of it."""

    TTL = "ttl"
    """Copies in the tiers above the last one are served for `near_ttl` seconds at most."""
    TRACKED = "tracked"
    """The last tier tells this process of every write, within milliseconds. Copies are dropped
    when the connection that tells is lost."""
    VALIDATED = "validated"
    """Each read asks the last tier whether its copy is of the last version: no stale read."""
