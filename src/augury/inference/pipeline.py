"""A scikit-learn pipeline of which the outputs of chosen steps are cached, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augury.cache import Cache
from augury.errors import ConfigurationError, OutputError
from augury.inference.adapters.contract import Outputs
from augury.inference.adapters.estimator import METHODS, Estimator, fingerprint_of
from augury.inference.model import CachedModel
from augury.inference.objects import Attributes
from augury.inference.stats import InferenceStats
from augury.parameters import check_instance
from augury.tiers import Tiers


class CachedPipeline:
    """A pipeline that keeps what its steps make of each row, so that a new last step reuses it.

    The output of a chosen step belongs to the steps up to there, as they are fitted: training or
    replacing a later one leaves it in reach, training an earlier one with another result puts it
    out of reach, and all that follows from it. A row is looked up from the end: in the outputs of
    the pipeline, then of the last chosen step, and so on; only what follows the first one found is
    computed.

    Parameters
    ----------
    pipeline
        A `sklearn.pipeline.Pipeline`, or one with its interface. It is used as it is, and may be
        fitted again at any time.
    cache
        Where outputs are kept, those of all steps: a `Cache` or `Tiers`.
    after
        Names of steps, or one, whose outputs are kept; by default the one before the last.
    final
        Whether to keep the outputs of the whole pipeline, too. True by default.
    **options
        As of `CachedModel`: ``version``, ``verify``, ``decimals``, ``ttl``, ``bypass``.

    Raises
    ------
    ConfigurationError
        If it is no pipeline, or has no such step before its last one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from augury import Cache
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> pipeline = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())])
    >>> cached = CachedPipeline(pipeline.fit(X, y), Cache(1_000), after="scale")
    >>> cached.predict(X)
    array([0, 0, 1, 1])
    >>> _ = pipeline.set_params(classify__C=10.0)
    >>> _ = pipeline["classify"].fit(cached.output_after("scale", X), 1 - y)
    >>> cached.predict(X)
    array([1, 1, 0, 0])
    >>> cached.stats["scale"].computed, cached.stats["predict"].computed
    (4, 8)
    """

    def __init__(
        self,
        pipeline: Any,
        cache: Cache[Any, Any] | Tiers[Any, Any],
        *,
        after: str | Sequence[str] | None = None,
        final: bool = True,
        **options: Any,
    ) -> None:
        if not (hasattr(pipeline, "steps") and hasattr(pipeline, "named_steps")):
            raise ConfigurationError(
                f"a pipeline is a sklearn.pipeline.Pipeline, not {type(pipeline).__name__}"
            )
        if not isinstance(after, str | Sequence | None):
            raise ConfigurationError(f"after must be the names of steps, not {after!r}")
        check_instance("final", final, bool)
        self._pipeline = pipeline
        self._cache = cache
        self._options = options
        self._final = final
        names = [name for name, _ in pipeline.steps]
        chosen = names[-2:-1] if after is None else [after] if isinstance(after, str) else after
        unknown = [name for name in chosen if name not in names[:-1]]
        if unknown or not chosen:
            raise ConfigurationError(
                f"after must name steps before the last, of {', '.join(names[:-1]) or 'none'}; "
                f"not {', '.join(map(str, unknown)) or 'none'}"
            )
        self._stages: dict[str, CachedModel] = {}
        for name in (name for name in names if name in chosen):
            self._stages[name] = self._cached(_Stage(pipeline, "transform", name, self._last))
        self._methods: dict[str, CachedModel] = {}

    @property
    def pipeline(self) -> Any:
        """The pipeline itself; another one takes another `CachedPipeline`."""
        return self._pipeline

    @property
    def _last(self) -> tuple[str, CachedModel] | None:
        """The last chosen step so far."""
        return list(self._stages.items())[-1] if self._stages else None

    def _cached(self, stage: _Stage) -> CachedModel:
        return CachedModel(stage, self._cache, **self._options)

    @property
    def stats(self) -> dict[str, InferenceStats]:
        """What has been done so far, by the names of the chosen steps and of methods used."""
        return {name: each.stats for name, each in (self._stages | self._methods).items()}

    def output_after(self, step: str, rows: Any) -> Any:
        """Return what a chosen step makes of these rows, for training what follows on it.

        Raises
        ------
        ConfigurationError
            If outputs of this step are not kept.
        """
        stage = self._stages.get(step)
        if stage is None:
            raise ConfigurationError(
                f"outputs are kept after {', '.join(self._stages)}, not after {step!r}"
            )
        return stage(rows)

    def changed(self) -> None:
        """Tell that a step has changed in a way that goes unnoticed, such as by its arrays."""
        for cached in (*self._stages.values(), *self._methods.values()):
            cached.changed()

    def score(self, rows: Any, y: Any = None, **options: Any) -> Any:
        """Return the pipeline's score, from the kept outputs of the last chosen step.

        Parameters
        ----------
        rows
            As for `predict`.
        y
            The truth, if the pipeline's own `score` takes it.
        options
            What else that takes.
        """
        return _Stage(self.pipeline, "score", None, self._last).returned(rows, y, **options)

    def __getattr__(self, name: str) -> Any:
        """Return a method of the pipeline, cached where it is one that takes rows."""
        if name.startswith("_") or name == "pipeline":
            raise AttributeError(name)
        found = getattr(self.pipeline, name)
        if name not in METHODS:
            return found
        if not self._final:
            return _Stage(self.pipeline, name, None, self._last).returned
        cached = self._methods.get(name)
        if cached is None:
            cached = self._cached(_Stage(self.pipeline, name, None, self._last))
            cached = self._methods.setdefault(name, cached)
        return cached

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.pipeline!r}>"


class _Stage(Estimator):
    """A pipeline up to a step, or to its end, that goes on from what an earlier step made."""

    def __init__(
        self, pipeline: Any, method: str, step: str | None, before: tuple[str, CachedModel] | None
    ) -> None:
        super().__init__(pipeline, method)
        self._step = step
        self._before = before

    def _stop(self, step: str | None) -> int:
        """Return how many steps there are up to this one."""
        names = [name for name, _ in self.model.steps]
        if step is None:
            return len(names)
        if step not in names:
            raise ConfigurationError(f"the pipeline has no step {step!r} any more")
        return names.index(step) + 1

    def returned(self, rows: Any, *args: Any, **options: Any) -> Any:
        """Return what the pipeline returns for these rows."""
        start = 0
        if self._before is not None:
            name, kept = self._before
            start, rows = self._stop(name), kept(rows)
        steps = self.model[start : self._stop(self._step)]
        return getattr(steps, self.method)(rows, *args, **options)

    def outputs(self, returned: Any) -> Outputs:
        """Return what a step returned as arrays."""
        try:
            return super().outputs(returned)
        except OutputError as error:
            if self._step is None:
                raise
            raise OutputError(f"after step {self._step!r}, {error}") from error

    def state(self) -> Attributes:
        """Return what is compared to tell whether a step up to this one may have changed."""
        return Attributes(self._steps())

    def fingerprint(self) -> bytes:
        """Return what stands for the steps up to this one."""
        return fingerprint_of(self._steps())

    def _steps(self) -> list[Any]:
        return [step for _, step in self.model.steps[: self._stop(self._step)]]
