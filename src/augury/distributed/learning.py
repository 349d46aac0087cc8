"""From a log on a cluster to a model in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augury.accesslog.malformed import Malformed
from augury.distributed.fits import load_fit
from augury.distributed.log import Log
from augury.distributed.rows import Sample, take
from augury.distributed.session import session as spark_session
from augury.learning.lesson import Lesson
from augury.learning.training import Split, check_asked, train

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from augury.learning import Evaluation
    from augury.models import Artefact

_ROWS = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What `learn_all` returns."""

    models: tuple[tuple[Artefact, Evaluation | None], ...]
    """In the order given, with how well they predict the requests that were not learned from."""
    malformed: Malformed
    """What of the log could not be read."""
    requests: int
    """Of the log."""

    @property
    def best(self) -> Artefact:
        """The model with the best ROC-AUC in forward-chaining validation."""
        return max(
            (artefact for artefact, _ in self.models),
            key=lambda each: each.card.scores.get("validation", {}).get("roc_auc", 0.0),
        )


def learn(
    path: str,
    *,
    master: str = "local[*]",
    model: str = "gbm",
    until: float = 0.5,
    rows: int = _ROWS,
    seed: int = 1,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    max_malformed: float = 0.01,
    session: SparkSession | None = None,
    progress: Callable[[float], object] | None = None,
) -> Artefact:
    """Learn by Spark from the first part of a log when keys are asked for again.

    The same as `augury.learn` of a log that need not fit on one machine: the same rows, labels and
    evaluation; MLlib fits the model, and the cache scores it as it does any other.

    Parameters
    ----------
    path
        A Parquet or CSV file, a folder of such or a pattern, on any file system that Spark knows
        (``s3a://...``, ``hdfs://...``, a local path). A single file has the order of its rows;
        several are put in the order of time.
    master
        Where Spark runs: ``local``, ``local[N]``, ``local[*]``, ``spark://HOST:PORT``, ``yarn`` or
        ``k8s://...``. Workers need ``augury[spark]`` and ``augury[learn]``.
    model
        ``"gbm"``, ``"forest"``, ``"tree"`` (of regression), ``"svm"``, ``"logistic"`` or ``"mlp"``
        (of classification, on a line of time).
    until
        The share of the requests to learn from, more than 0, at most 1; the rest tests.
    rows
        About the most rows to learn from. They pass through this process: 121 bytes each.
    seed
        Of all random choices. Up to two million rows, the same master and seed give the same model.
    format, columns, max_malformed
        As of `augury.read_trace`; formats are ``"parquet"`` and ``"csv"``.
    session
        A session of Spark to work with, which is not stopped; `master` is not looked at then.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    Artefact
        The model; its card has scores of a forward-chaining validation within the part learned
        from, and of the rest.

    Raises
    ------
    TraceError
        If the log cannot be read.
    LearningError
        If it has too little in it to learn from.
    ConfigurationError
        If a parameter makes no sense, there is no Java, or Spark cannot be started.
    MissingExtraError
        If PySpark or scikit-learn is not installed.
    """
    return learn_all(
        path,
        [model],
        master=master,
        until=until,
        rows=rows,
        seed=seed,
        format=format,
        columns=columns,
        max_malformed=max_malformed,
        session=session,
        progress=progress,
    ).best


def learn_all(
    path: str,
    models: Sequence[str],
    *,
    master: str = "local[*]",
    until: float = 0.5,
    rows: int = _ROWS,
    seed: int = 1,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    max_malformed: float = 0.01,
    session: SparkSession | None = None,
    progress: Callable[[float], object] | None = None,
) -> Learned:
    """Learn several models from the same rows.

    Parameters
    ----------
    models
        Names, as for `learn`.
    path, master, until, rows, seed, format, columns, max_malformed, session, progress
        As for `learn`.

    Returns
    -------
    Learned
        The models, and what the log was like.
    """
    fits = [load_fit(model) for model in models]  # before long work
    check_asked(until, rows, seed)
    tell = progress or (lambda _: None)
    with (
        spark_session(master, session) as spark,
        Log(spark, path, format=format, columns=columns, max_malformed=max_malformed) as log,
    ):
        tell(0.2)
        lesson = _lesson(spark, log, until, rows, seed, lambda share: tell(0.2 + 0.3 * share))
        trained = []
        for at, (model, fit) in enumerate(zip(models, fits, strict=True)):

            def step(share: float, at: int = at) -> None:
                tell(0.5 + 0.5 * (at + share) / len(models))

            trained.append(train(lesson, model, step, fit=fit))
        return Learned(tuple(trained), log.malformed, log.requests)


def _lesson(
    spark: SparkSession,
    log: Log,
    until: float,
    rows: int,
    seed: int,
    progress: Callable[[float], object],
) -> Lesson:
    """Read from a log what `augury.learning.prepare` reads from a trace."""
    split = Split.of(log.requests, 2 if log.several_keys else 1, until, rows)
    past, future = take(
        spark,
        log,
        [
            Sample(0, split.stop, split.sample, split.draws, seed),
            Sample(split.stop, log.requests, split.sample, 1, seed),
        ],
        progress=progress,
    )
    name = log.path.rstrip("/").rpartition("/")[2]
    return Lesson(name, log.requests, split.stop, past, future, seed)
