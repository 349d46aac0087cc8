"""``[advisors.NAME]``: advice for a cache that is not Augury's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from augury.config.policy import PolicyName
from augury.config.quantities import Capacity
from augury.config.sections.section import Section


class AdvisorSection(Section):
    """An advisor of an external cache: ``[advisors.NAME]``; see docs/advise.md."""

    capacity: Capacity
    """Of the external cache: entries, or bytes with a unit."""
    policy: PolicyName = "auto"
    """Whose decisions are the advice."""
    keys: Annotated[int, Field(ge=1, le=1 << 24)] = 1 << 16
    """How many keys the predictors of what comes next know."""
    learn: bool = True
    """Whether a policy that learns trains models from the accesses."""
