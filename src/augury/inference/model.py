"""A model whose outputs are cached, a row at a time."""

from __future__ import annotations

from typing import Any

from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.inference.adapters import adapter_of
from augury.inference.bypass import Bypass
from augury.inference.call import Call
from augury.inference.rounding import RoundingError
from augury.inference.stats import InferenceStats
from augury.inference.store import store_in
from augury.loading import Ttl, check_ttl, seconds
from augury.parameters import check_instance, check_integer
from augury.tiers import Tiers

_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


class CachedModel:
    """A model of rows that is run only on rows it has not been run on before.

    A batch is split: equal rows are computed once, those in the cache are taken from there, the
    model is run on the rest, and the results come back in order, of the type that the model itself
    returns. Entries belong to the model as it is: once it is fitted again or given other weights
    they are out of reach.

    Parameters
    ----------
    model
        A scikit-learn estimator, PyTorch module, ONNX Runtime session, LightGBM booster, or any
        function that takes an array of rows, or a list of texts, and returns an array with a row
        for each.
    cache
        Where outputs are kept: a `Cache`, each entry one row's output as bytes, or `Tiers`. A cache
        with the policy ``"gdsf"`` keeps, of the outputs of several models, those that save the most
        milliseconds of a model, per byte if it weighs entries.
    method
        What a call of this object runs; by default what such models are called by, such as
        ``"predict"``. The other methods are there by their names.
    version
        Of the code that the model runs, such as a function it calls: a new one makes old entries
        unreachable.
    verify
        ``"digest"`` (the default) tells rows apart by 128 bits; ``"row"`` keeps each row with its
        output and compares it whole, which takes the room of it. Choose that where rows come from
        people who might construct two with one digest.
    decimals
        Round floating-point input to so many decimals for the key: near-equal rows then share an
        output, that of the first. bfloat16, which NumPy lacks, stays as it is. None (the default):
        never.
    ttl
        Time to live of outputs; by default the cache's.
    bypass
        Whether to stop looking rows up while it does not pay; see `augury.inference.bypass`.
    pad
        Sizes of batches that the model is run on, for models that are compiled for each:
        ``"bucket"`` for powers of two, a number for multiples of it; the last row is repeated to
        fill them. None (the default): any size.
    stats
        Where to count; by default an object of its own, `CachedModel.stats`.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or the model has no such method.

    Notes
    -----
    Rows are equal if their bytes are: 0.0 and -0.0 are two rows, and so are NaNs of different bits;
    dtype and shape belong to a row. The output of a row must not depend on the other rows of its
    batch. Where a library's arithmetic does, in the last bits, as matrix products do by the size of
    the batch, outputs differ from those of another split by as much.

    Examples
    --------
    >>> import numpy as np
    >>> from augury import Cache
    >>> ran = []
    >>> def model(rows):
    ...     ran.append(len(rows))
    ...     return rows.sum(axis=1)
    >>> cached = CachedModel(model, Cache(1_000))
    >>> cached(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))
    array([3., 7., 3.])
    >>> cached(np.array([[3.0, 4.0], [5.0, 6.0]]))
    array([ 7., 11.])
    >>> ran
    [2, 1]
    """

    def __init__(
        self,
        model: Any,
        cache: Cache[Any, Any] | Tiers[Any, Any],
        *,
        method: str | None = None,
        version: str = "",
        verify: str = "digest",
        decimals: int | None = None,
        ttl: Ttl = None,
        bypass: bool = True,
        pad: str | int | None = None,
        stats: InferenceStats | None = None,
    ) -> None:
        check_instance("version", version, str)
        check_instance("bypass", bypass, bool)
        if method is not None:
            check_instance("method", method, str)
        if stats is not None:
            check_instance("stats", stats, InferenceStats)
        check_ttl("ttl", ttl)
        if verify not in ("digest", "row"):
            raise ConfigurationError(f"verify must be 'digest' or 'row', not {verify!r}")
        if decimals is not None and (
            not isinstance(decimals, int) or isinstance(decimals, bool) or abs(decimals) > 300
        ):
            raise ConfigurationError(
                f"decimals must be an integer from -300 to 300, or None, not {decimals!r}"
            )
        if pad is not None and pad != "bucket":
            if isinstance(pad, str):
                raise ConfigurationError(f"pad must be 'bucket', a number or None, not {pad!r}")
            check_integer("pad", pad)
        self._model = model
        self._store = store_in(cache, None if ttl is None else seconds(ttl))
        self._version = version
        self._verify = verify == "row"
        self._decimals = decimals
        self._bypass = bypass
        self._pad = pad
        self._calls: dict[str | None, Call] = {}
        self.stats = InferenceStats() if stats is None else stats
        self._main = self._call(method)

    @property
    def model(self) -> Any:
        """The model itself; another one takes another `CachedModel`, which may share the cache."""
        return self._model

    def __call__(self, rows: Any) -> Any:
        """Return what the model returns for these rows."""
        return self._main(rows)

    def __getattr__(self, name: str) -> Any:
        """Return a method of the model, cached where it is one that takes rows."""
        if name == "model":  # not made yet, as while it is copied
            raise AttributeError(name)
        if name in _METHODS and hasattr(self.model, name):
            return self._call(name)
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.model, name)

    def error(self, rows: Any) -> RoundingError:
        """Return how far answers for these rows are from the model's own, such as by `decimals`.

        It runs the model on all of them, and looks them up as a call does.

        Examples
        --------
        >>> import numpy as np
        >>> from augury import Cache
        >>> cached = CachedModel(lambda rows: rows.sum(axis=1), Cache(1_000), decimals=1)
        >>> cached.error(np.array([[0.5], [0.5625], [1.75]]))
        RoundingError(rows=3, differing=0, greatest=0.0)
        >>> cached.error(np.array([[0.53125], [2.25]]))
        RoundingError(rows=2, differing=1, greatest=0.03125)
        """
        return self._main.error(rows)

    def changed(self) -> None:
        """Tell that the model has changed in a way that goes unnoticed, such as by its arrays."""
        for call in self._calls.values():
            call.forget()

    def _call(self, method: str | None) -> Call:
        call = self._calls.get(method)
        if call is None:
            adapter = adapter_of(self.model, method)
            call = Call(
                adapter,
                self._store,
                self.stats,
                version=self._version,
                verify=self._verify,
                decimals=self._decimals,
                bypass=Bypass() if self._bypass else None,
                pad=self._pad,
            )
            call = self._calls.setdefault(method, call)
        return call

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self.model).__name__}>"
