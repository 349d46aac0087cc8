"""The table of how well models predict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table

from augury.learning import Evaluation
from augury.models import Artefact

_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "brier")


def shown(value: Any) -> str:
    """Return a figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def predictions_table(models: Iterable[tuple[Artefact, Evaluation | None]]) -> Table:
    """Return a line a model: its predictions of the requests after those learned from."""
    table = Table(title="Asked for again before LRU would evict it?", title_justify="left")
    table.add_column("model")
    for name in _METRICS:
        table.add_column(name.replace("roc_auc", "ROC-AUC").replace("f1", "F1"), justify="right")
    for artefact, test in models:
        values = test.as_dict() if test else {}
        table.add_row(artefact.card.model, *(shown(values.get(name)) for name in _METRICS))
    return table
