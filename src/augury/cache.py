"""The cache: assembly of the native core with what users call."""

from __future__ import annotations

import os
from collections.abc import (
    Awaitable,
    Callable,
    Hashable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from functools import partial
from typing import Any, Never, TypeVar, cast

from augury import _native
from augury.accesslog.recorder import NamedRecorder, Recorder, attach
from augury.errors import ConfigurationError
from augury.events import Cause, Stats
from augury.learning.key_explanation import (
    KeyExplanation,
    Prediction,
    explain_key,
    predict_key,
)
from augury.learning.learner import Learner
from augury.learning.learner import attach as attach_learner
from augury.loading import DEFAULT, NOTHING, Default, LoadOptions, Ttl, aload, load
from augury.models import Artefact, Registry, load_model
from augury.policies import Policy, check_learns, check_seed, describe, parse
from augury.snapshot import Restarts

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_CAUSES = tuple(Cause)


@_native.adopt_methods
class Cache(_native.Cache[K, V], Restarts[K, V], MutableMapping[K, V]):
    """A bounded mapping that keeps what will be asked again.

    It is a `MutableMapping`, but one whose entries may leave: to make room, or because their time
    to live has passed. Safe to share among threads.

    Parameters
    ----------
    capacity
        How much it holds: entries, or with a weigher (or `set(..., size=)`) the sum of their
        weights. From 1 to 2**62.
    policy
        Who leaves when there is no room: a name such as ``"lru"``, a name with parameters such as
        ``"s3fifo(small=0.2)"``, or a `augury.policies.Policy`. By default ``"auto"``, which tunes
        itself.
    ttl
        Default time to live of entries: seconds, a timedelta, or None (the default) for no expiry.
        It counts from the last write.
    weigher
        ``weigher(key, value)`` returns an entry's weight, a positive integer. By default each entry
        weighs 1.
    on_evict
        ``on_evict(key, value, cause)`` is called after an entry has left, in the thread whose call
        made it leave, with no lock held; it may use the cache. What it raises goes to
        `sys.unraisablehook`.
    clock
        ``clock()`` returns the present in seconds, from 0 on and never going back. By default
        the system's monotonic clock. Tests pass their own. Policies that learn take the time of
        day from it, then, as of seconds since 1970; else from the system.
    seed
        Of the random choices that some policies make.
    model
        What decides, with a policy that has a use for it such as ``"learned"``: an
        `augury.Artefact`, the path of its file, or an `augury.models.Registry`, of which the
        current version is used, now and whenever another one becomes current. None at first, by
        default.
    learn
        Whether a cache with such a policy trains models in the background from its own requests,
        and uses them once they have won in simulation; see `augury.learning.Learner`. It takes
        ``pip install 'augury[learn]'`` and goes on without otherwise.
    record
        Where a sample of the accesses is recorded: an `augury.accesslog.Recorder`, or its
        ``named("...")``. By default nowhere.

    Raises
    ------
    ConfigurationError
        If a parameter has a value that makes no sense.
    ArtefactError, OSError
        If the file of the model cannot be used.

    Notes
    -----
    Iteration, `keys()`, `values()` and `items()` see the entries of one moment, in no particular
    order; the cache may change meanwhile. They, `in` and `peek` leave no trace in the policy or the
    statistics. Keys whose ``__eq__`` or ``__hash__`` run Python code may use the cache from there.

    Examples
    --------
    >>> cache = Cache(2, policy="lru")
    >>> cache["a"] = 1
    >>> cache["b"] = 2
    >>> cache["a"]
    1
    >>> cache["c"] = 3      # "b" was not asked for the longest
    >>> sorted(cache)
    ['a', 'c']
    """

    __slots__ = ("_learner", "_policy", "_prefetcher", "_record")

    def __init__(
        self,
        capacity: int,
        *,
        policy: str | Policy = "auto",
        ttl: Ttl = None,
        weigher: Callable[[K, V], int] | None = None,
        on_evict: Callable[[K, V, Cause], object] | None = None,
        clock: Callable[[], float] | None = None,
        seed: int = 1,
        model: Artefact | str | os.PathLike[str] | Registry | None = None,
        learn: bool = True,
        record: Recorder | NamedRecorder | None = None,
    ) -> None:
        self._policy = parse(policy)
        if describe(self._policy.name).offline:
            raise ConfigurationError(
                f"policy {self._policy.name!r} needs to know the future: it serves simulations only"
            )
        for name, function in (("weigher", weigher), ("on_evict", on_evict), ("clock", clock)):
            if function is not None and not callable(function):
                raise ConfigurationError(f"{name} must be callable or None, not {function!r}")
        check_seed(seed)
        listener = None
        if on_evict is not None:
            told = on_evict

            def listener(key: K, value: V, cause: int) -> None:
                told(key, value, _CAUSES[cause])

        recording, source = (None, 0) if record is None else attach(record)
        self._record = record  # which records for as long as it is referred to
        super().__init__(
            capacity,
            self._policy.name,
            dict(self._policy.parameters),
            seed,
            ttl,
            weigher,
            listener,
            clock,
            recording,
            source,
        )
        self._learner: Learner | None = None
        self._prefetcher: object | None = None  # which works for as long as the cache lives
        if model is not None:
            check_learns(self._policy)
        registry = model if isinstance(model, Registry) else None
        if not isinstance(model, Registry | None):
            self.use_model(model)
        if describe(self._policy.name).learns:
            attach_learner(self, registry, trains=learn)

    @property
    def policy(self) -> Policy:
        """The eviction policy."""
        return self._policy

    @property
    def learner(self) -> Learner | None:
        """What trains models for this cache, or follows a registry; None if nothing does."""
        return self._learner

    def explain(self, key: K) -> KeyExplanation:
        """Tell why a key is in the cache or not, and leave no trace of the question.

        Returns
        -------
        KeyExplanation
            Whether it is there, its weight and expiry, and who decides; where the policy learns,
            what is known of the key, when the model expects it to be asked for, and why. Its text
            is for people, `to_json` for programs.

        Examples
        --------
        >>> cache = Cache(10, policy="lru")
        >>> cache["a"] = 1
        >>> print(cache.explain("b"))
        'b' is not in the cache
        policy lru decides
        next to leave, probably: 'a'
        """
        return explain_key(self, key)

    def predict(self, key: K) -> Prediction | None:
        """Tell when a key will be asked for, and leave no trace of the question.

        Returns
        -------
        Prediction or None
            What the model expects; None if the policy does not learn, or has no model.

        Examples
        --------
        >>> print(Cache(10, policy="learned", learn=False).predict("a"))
        None
        """
        return predict_key(self, key)

    def _adopt(self, learner: Learner) -> None:
        if self._learner is not None and not self._learner.closed:
            raise ConfigurationError(
                "this cache learns already; make it with learn=False, or close its learner"
            )
        self._learner = learner

    def use_model(self, model: Artefact | str | os.PathLike[str] | None) -> None:
        """Let another model decide from now on.

        What the policy remembers of keys stays, and no read waits: a file is read and checked, and
        the model built, before one pointer changes.

        Parameters
        ----------
        model
            From `augury.learn`, or the path of its file; None: none decides.

        Raises
        ------
        ConfigurationError
            If the policy has no use for a model, or this is none.
        ArtefactError
            If the file is damaged, or of another version; the model in use goes on then.
        OSError
            If the file cannot be read.

        Examples
        --------
        >>> cache = Cache(10, policy="learned")
        >>> cache.use_model(None)
        >>> print(cache.model)
        None
        """
        check_learns(self._policy)
        if isinstance(model, str | os.PathLike):
            model = load_model(model)
        if model is not None and not isinstance(model, Artefact):
            raise ConfigurationError(f"a model is an Artefact, a path or None, not {model!r}")
        self._use_model(None if model is None else model.native, model)

    def set_many(
        self,
        items: Mapping[K, V] | Iterable[tuple[K, V]],
        *,
        ttl: Ttl | Default = DEFAULT,
    ) -> None:
        """Store many `items`, each as `set` does; `ttl` is for all of them."""
        options: dict[str, Any] = {} if ttl is DEFAULT else {"ttl": ttl}
        for key, value in items.items() if isinstance(items, Mapping) else items:
            self.set(key, value, **options)

    def delete_many(self, keys: Iterable[K]) -> int:
        """Delete the entries of many `keys`; return how many there were."""
        return sum(self.delete(key) for key in keys)

    def keys(self) -> KeysView[K]:
        """Return a view of the keys."""
        return KeysView(self)

    def values(self) -> ValuesView[V]:
        """Return a view of the values."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """Return a view of the entries."""
        return _Items(self)

    def stats(self) -> Stats:
        """Return what the cache has done so far."""
        counts = self._statistics()
        return Stats(
            *counts[:11],
            load_seconds=counts[11] * 1e-9,
            prefetched=counts[12],
            prefetch_hits=counts[13],
            prefetch_unused=counts[14],
        )

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} policy={str(self._policy)!r} "
            f"weight={self.weight} of {self.capacity}>"
        )

    def __reduce__(self) -> Never:
        raise TypeError("a Cache cannot be pickled or copied; share it, or copy dict(cache)")

    def _load(self, key: K, loader: Callable[[K], V], **options: Any) -> V:
        """Do what `get_or_load` does after it has missed."""
        return load(self, key, partial(loader, key), LoadOptions(**options))

    async def aget_or_load(
        self,
        key: K,
        loader: Callable[[K], Awaitable[V]],
        *,
        ttl: Ttl | Default = DEFAULT,
        size: int | None = None,
        negative_ttl: Ttl | Default = DEFAULT,
        error_ttl: Ttl | Default = DEFAULT,
    ) -> V:
        """Do what `get_or_load` does, in a coroutine: `loader` is awaited.

        One load serves all coroutines that miss the key meanwhile, in whatever event loop they run.
        It runs in a task of its own, so that cancelling one of them leaves the others their answer;
        where that task itself is cancelled, one of the others loads anew.

        Parameters
        ----------
        key
            What to look up.
        loader
            ``await loader(key)`` returns the value of a key that is not there.
        ttl, size, negative_ttl, error_ttl
            As of `get_or_load`.

        Examples
        --------
        >>> import asyncio
        >>> async def square(x):
        ...     return x * x
        >>> asyncio.run(Cache(10).aget_or_load(4, square))
        16
        """
        value = self.get(key, NOTHING)
        if value is not NOTHING:
            return cast("V", value)
        options = LoadOptions(ttl=ttl, size=size, negative_ttl=negative_ttl, error_ttl=error_ttl)
        return await aload(self, key, partial(loader, key), options)


class _Values(ValuesView[V]):
    __slots__ = ()
    _mapping: Cache[Any, V]

    def __iter__(self) -> Iterator[V]:
        return iter(self._mapping._values())

    def __contains__(self, value: object) -> bool:
        return value in self._mapping._values()


class _Items(ItemsView[K, V]):
    __slots__ = ()
    _mapping: Cache[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self._mapping._items())

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        held = self._mapping.peek(item[0], NOTHING)
        return held is not NOTHING and (held is item[1] or bool(held == item[1]))
