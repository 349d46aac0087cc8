"""What a model answers of a registered query, and how that is verified."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from augury.answers.answer import INFERRED, Answer, Tolerance
from augury.answers.explaining import Explaining
from augury.answers.grouped import BoxEstimate, Groups, infer_groups
from augury.answers.model import Model
from augury.answers.plan import Tried
from augury.answers.region import Region
from augury.answers.target import LABEL, ROWS
from augury.answers.watch import Audit


class Inferring(Explaining):
    """A registered query, as far as a model answers it, and is verified. `Query` inherits it."""

    def infer(
        self,
        values: Mapping[str, Any],
        region: Region,
        tolerance: Tolerance | None,
        tried: list[Tried],
    ) -> Answer | None:
        """Return an inferred answer, if there is one that is sure enough."""
        model = self.model
        if model is None or not self._may_infer(tolerance):
            return None
        reasons = self._reasons(values, tolerance, tried)
        if self.statement.groups:
            groups = self._infer_groups(model, region, tolerance)
            if groups is None:
                tried.append((INFERRED, None, "a group is unknown, or not sure enough"))
                return None
            tried.append((INFERRED, None, f"each group is sure enough ({model.fit})"))
            return self._of_groups(groups, model.time, reasons)
        found = self._estimated(model, region)
        if found is None:
            tried.append((INFERRED, None, "a value is unknown, or there are several"))
            return None
        estimate, half = found.estimate, found.half_width
        if not self._allows(tolerance, estimate, half):
            tried.append((INFERRED, half, "its interval is wider than the tolerance"))
            return None
        tried.append((INFERRED, half, f"its interval is narrow enough ({model.fit})"))
        value = model.vocabulary.label(estimate) if self.target.kind == LABEL else estimate
        if math.isnan(estimate):
            value = None
        return self._within(value, half, self.confidence, INFERRED, model.time, reasons)

    def _estimated(self, model: Model, region: Region) -> BoxEstimate | None:
        """Return what a model says of a region, if that is one box of values that it knows."""
        box = model.vocabulary.box(region)
        if box is None:
            return None
        estimate, half, spread = model.infer(box, self.confidence)
        return BoxEstimate(box, estimate, half + self._slack(model.since), spread)

    def _allows(self, tolerance: Tolerance | None, estimate: float, half: float) -> bool:
        """Return whether an estimate is sure enough. A label is if it cannot be another one."""
        if tolerance is None or self.target.kind == LABEL:
            return half == 0.0
        if math.isnan(estimate):
            return half == 0.0  # NULL, for sure
        return math.isfinite(half) and tolerance.allows(estimate, half)

    def _infer_groups(
        self, model: Model, region: Region, tolerance: Tolerance | None
    ) -> Groups | None:
        """Return what is inferred of each group, if all of it is sure enough."""
        counts = model if self.target.measure == ROWS else self.counts
        if counts is None or self._slack(min(model.since, counts.since)):
            return None
        return infer_groups(
            model,
            counts,
            self.family.vocabulary,
            region,
            self.binding.groups,
            self.confidence,
            partial(self._allows, tolerance),
        )

    def _of_groups(self, groups: Groups, read: float, reasons: Any) -> Answer:
        found = {group_of(group): each for group, each in groups.values.items()}
        return Answer(
            {group: each.estimate for group, each in found.items()},
            {group: each.estimate - each.half_width for group, each in found.items()},
            {group: each.estimate + each.half_width for group, each in found.items()},
            self.confidence,
            INFERRED,
            max(0.0, time.time() - read),
            reasons,
        )

    def _have_audited(
        self, values: Mapping[str, Any], region: Region, tolerance: Tolerance | None
    ) -> None:
        """Have an answer that was just inferred verified in the background."""
        model = self.model
        if model is None:
            return
        if self.statement.groups:
            groups = self._infer_groups(model, region, tolerance)
            if groups is not None:
                self._auditor.submit(lambda: self._audit_groups(model, values, region, groups))
            return
        found = self._estimated(model, region)
        if found is not None:
            self._auditor.submit(lambda: self._audit(model, values, region, found))

    def _audit(
        self, model: Model, values: Mapping[str, Any], region: Region, found: BoxEstimate
    ) -> None:
        """Compare an inferred answer with the database's, and keep that."""
        key = self.key(region)
        result = self._results.refresh(key, lambda: self.execute(values, region), self._tags)
        truth = self._truth(model, result.values[0])
        if self.model is not model or self.key(region) != key:
            return  # which of them the truth is of, nobody knows
        if not math.isnan(found.estimate):
            self.audited = model
        self._note(model, found, truth, result.time)
        if model.watch.alarm:
            self._distrust(self, model)

    def _truth(self, model: Model, value: Any) -> float:
        """Return the database's answer as the number that a model estimates."""
        if self.target.kind == LABEL:
            return float(model.vocabulary.labels.get(value, math.nan))
        return math.nan if value is None else float(value)

    def _audit_groups(
        self, model: Model, values: Mapping[str, Any], region: Region, groups: Groups
    ) -> None:
        """Compare an inferred answer a group with the database's, and keep that."""
        key, counts = self.key(region), self.counts if self.target.measure != ROWS else model
        result = self._results.refresh(key, lambda: self.execute(values, region), self._tags)
        if self.model is not model or counts is None or self.key(region) != key:
            return
        rows = {
            group: part.get(ROWS, math.nan)
            for group, part in zip(result.groups, result.parts, strict=True)
        }
        truths = dict(zip(result.groups, result.values, strict=True))
        found = [(counts, each, rows.get(group, 0.0)) for group, each in groups.counts.items()]
        if counts is not model:
            found += [
                (model, each, self._truth(model, truths[group]))
                for group, each in groups.values.items()
                if group in truths
            ]
        self.audited = model
        for which, each, truth in found:
            self._note(which, each, truth, result.time)
        if model.watch.alarm or counts.watch.alarm:
            self._distrust(self, model if model.watch.alarm else counts)

    @staticmethod
    def _note(model: Model, found: BoxEstimate, truth: float, time: float) -> None:
        """Tell a model what was true of something that it has estimated."""
        model.calibration.note(found.estimate, found.spread, truth)
        model.watch.note(Audit(found.box, found.estimate, found.half_width, truth, time))

    def _within(
        self, value: Any, half: float, confidence: float, origin: str, read: float, reasons: Any
    ) -> Answer:
        """Return an answer that may be off by so much."""
        low, high = (value, value) if half == 0.0 else (value - half, value + half)
        if half and self.statement.kind == "count":
            low = max(low, 0)
        return Answer(value, low, high, confidence, origin, max(0.0, time.time() - read), reasons)


def group_of(found: tuple[Any, ...]) -> Any:
    """Return what stands for a group in an answer."""
    return found if len(found) > 1 else found[0]
