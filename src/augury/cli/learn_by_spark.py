"""`augury learn --engine spark`: the same from a log that need not fit on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from augury.accesslog import Malformed
from augury.cli.predictions_table import predictions_table
from augury.cli.terminal import console, print_json, progress
from augury.distributed import learn_all
from augury.distributed.fits import fit_names


def learn_by_spark(
    log: str, output: Path, model: str, master: str, json: bool, **options: Any
) -> Malformed:
    """Learn, print figures and write the best model; return what could not be read.

    Parameters
    ----------
    log
        Path or URL.
    output
        Where the model is written.
    model
        Names separated by commas, or ``all``.
    master
        Where Spark runs.
    json
        Whether figures are for machines.
    options
        Further ones of `augury.distributed.learn_all`.
    """
    names = fit_names() if model.strip() == "all" else [name.strip() for name in model.split(",")]
    with progress(f"Learning from {log} by Spark") as tell:
        learned = learn_all(log, names, master=master, progress=tell, **options)
    best = learned.best
    best.save(output)
    if json:
        print_json(
            {
                "file": str(output),
                "card": msgspec.to_builtins(best.card),
                "best": best.card.model,
                "models": [
                    {
                        "model": artefact.card.model,
                        "validation": artefact.card.scores.get("validation"),
                        "test": test.as_dict() if test else None,
                    }
                    for artefact, test in learned.models
                ],
            }
        )
        return learned.malformed
    stop = best.card.period[1]
    console.print(
        f"Learned by Spark from {stop:,} requests; all figures are of the "
        f"{learned.requests - stop:,} after those",
        style="italic",
        highlight=False,
    )
    console.print(predictions_table(learned.models))
    console.print(f"{best.card.model} written to {output}", markup=False, highlight=False)
    return learned.malformed
