"""Where answers came from, and how right the inferred ones were."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from augury.observe.views import AnswersView, QueryView
from augury.observe.watch import Watch, is_a

if TYPE_CHECKING:
    from augury.answers import Answers
    from augury.answers.report import QueryReport


class AnswersWatch(Watch["Answers"]):
    """Watches an `augury.Answers`."""

    SECTION = "answers"

    @classmethod
    def handles(cls, observed: object) -> bool:
        """Return whether it is one."""
        return is_a(observed, "augury.answers.answers.Answers")

    def tell(self, observed: Answers) -> AnswersView:
        """Return what its queries report."""
        return AnswersView(name=self.name, queries=[_query(each) for each in observed.report()])


def _query(report: QueryReport) -> QueryView:
    found = report.audits
    return QueryView(
        query=report.query,
        origins=dict(report.answers),
        model=report.model,
        examples=report.examples,
        audits=0 if found is None else found.audits,
        coverage=None if found is None else _known(found.coverage),
        error=None if found is None else _known(found.relative_error),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


WATCH = AnswersWatch
