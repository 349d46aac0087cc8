"""The semantic cache: what users call."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.inference.semantic.answer import Answer, Origin, SemanticExplanation, SemanticStats
from augury.inference.semantic.audit import Audit
from augury.inference.semantic.calibration import Calibration, Groups, Pairs, Same, calibrate
from augury.inference.semantic.embedding import Embed, Embedding, check_text
from augury.inference.semantic.index import Entry
from augury.inference.semantic.lookup import Lookup, Rule, Vector, Vetoed
from augury.loading import DEFAULT, Default, LoadOptions, Ttl, aload, load
from augury.parameters import check_function, check_integer

V = TypeVar("V")


class SemanticCache(Generic[V]):
    """A cache of answers to texts, which knows a question again when it is put in other words.

    A question is looked up as it stands; then, if similarity is in use, the nearest text in the
    cache is taken if it is similar enough. Nothing is answered by similarity before `calibrate` has
    found a threshold that keeps false hits rare, or one is given.

    Parameters
    ----------
    embed
        Takes a list of texts and returns a vector for each, such as the ``encode`` of a
        sentence-transformers model. Make it a `CachedModel` to embed repeated texts once.
    cache
        How many answers to keep, or a `Cache` of its own, for another policy, a time to live or
        weights. Its keys are texts and its values have the attributes ``text`` and ``value``; what
        leaves it is found no more, and may be deleted in either.
    threshold
        The least cosine similarity that is enough; or a `Calibration`, made before. None (the
        default): nothing is similar enough until `calibrate`.
    same
        ``same(question, matched)`` returns whether the answer to the one is right for the other; it
        vetoes what the embedding takes for similar, such as two questions of different numbers. By
        default nothing is vetoed.
    normalise
        Whether texts that differ in case, white space or the encoding of letters are the very same
        text: Unicode's NFKC, case folded, white space collapsed. By default they are not.
    audit
        Share of the answers by similarity, from 0.0 (the default) to 1.0, for which the loader is
        asked as well and its answer returned if it differs. Once more of them are wrong than the
        calibration states, nothing is answered by similarity until the next one.
    equal
        ``equal(loaded, cached)`` tells for an audit whether an answer is right; by default ``==``.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Notes
    -----
    Safe to share among threads. Whoever shares this cache sees answers to what others asked: make
    one for each group of people who may.

    Examples
    --------
    >>> def embed(texts):  # how often each of a few words is in a text
    ...     words = ("refund", "money", "back", "order", "late", "where")
    ...     return [[1 + 9 * text.lower().count(word) for word in words] for text in texts]
    >>> cache = SemanticCache(embed, 1_000, threshold=0.9)
    >>> cache.set("Where is my order?", "On its way.")
    True
    >>> answer = cache.get("My order, where is it?")
    >>> answer.value, str(answer.origin), answer.matched
    ('On its way.', 'similar', 'Where is my order?')
    >>> print(cache.get("Can I have a refund?"))
    None
    >>> cache.get_or_load("Can I have a refund?", lambda question: "Within 30 days.").value
    'Within 30 days.'
    """

    def __init__(
        self,
        embed: Embed,
        cache: int | Cache[str, Any],
        *,
        threshold: float | Calibration | None = None,
        same: Same | None = None,
        normalise: bool = False,
        audit: float = 0.0,
        equal: Callable[[V, V], bool] = operator.eq,
    ) -> None:
        self._embedding = Embedding(embed)
        if isinstance(cache, Cache):
            self._cache: Cache[str, Entry[V]] = cache
        else:
            check_integer("cache", cache)
            self._cache = Cache(cache)
        if same is not None:
            check_function("same", same)
        check_function("equal", equal)
        if not _is_share(audit, 0.0):
            raise ConfigurationError(f"audit must be a share from 0.0 to 1.0, not {audit!r}")
        self._same = same
        self._lookup: Lookup[V] = Lookup(self._cache, same, normalise=normalise)
        self._audited_share = float(audit)
        self._equal = equal
        self._rule = self._rule_of(threshold)
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("exact", "similar", "misses", "vetoed"), 0)

    def _rule_of(self, threshold: float | Calibration | None) -> Rule:
        if isinstance(threshold, Calibration):
            audit = Audit(self._audited_share, threshold.false_hit_rate)
            return Rule(threshold.threshold, audit)
        if threshold is not None and not _is_share(threshold, -1.0):
            raise ConfigurationError(
                f"threshold must be a similarity from -1.0 to 1.0, a Calibration or None, "
                f"not {threshold!r}"
            )
        return Rule(threshold, Audit(self._audited_share, None))

    @property
    def cache(self) -> Cache[str, Any]:
        """Where the answers are kept."""
        return self._cache

    @property
    def threshold(self) -> float | None:
        """The least similarity that is enough; None while nothing is answered by similarity."""
        rule = self._rule
        return rule.threshold if rule.applies else None

    def calibrate(
        self,
        groups: Groups | None = None,
        *,
        pairs: Pairs | None = None,
        false_hit_rate: float = 0.01,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> Calibration:
        """Choose the threshold by questions of which it is known which have the same answer.

        Where no threshold keeps the rate, nothing is answered by similarity from now on. What an
        audit found before is forgotten.

        Parameters
        ----------
        groups, pairs, false_hit_rate, confidence, seed
            As of `augury.inference.semantic.calibrate`.

        Returns
        -------
        Calibration
            The threshold, and the false hits measured on questions that had no part in choosing it.
        """
        calibration = calibrate(
            self._embedding,
            groups,
            pairs=pairs,
            false_hit_rate=false_hit_rate,
            confidence=confidence,
            same=self._same,
            seed=seed,
        )
        self._rule = self._rule_of(calibration)
        return calibration

    def get(self, text: str) -> Answer[V] | None:
        """Return the answer to a text, or to one that is similar enough; None without either.

        Raises
        ------
        InputError
            If it is no text, or empty.
        OutputError
            If its embedding cannot be used.
        """
        return self.get_many([text])[0]

    def get_many(self, texts: Iterable[str]) -> list[Answer[V] | None]:
        """Do what `get` does for many texts, which are embedded together."""
        asked = _list_of(texts)
        rule = self._rule
        answers = [self._lookup.exact(text) for text in asked]
        missing = [at for at, answer in enumerate(answers) if answer is None]
        if missing and rule.applies:
            vectors = self._embedding([asked[at] for at in missing])
            for at, vector in zip(missing, vectors, strict=True):
                answers[at] = self._similar(rule, asked[at], vector)
        for answer in answers:
            self._count("misses" if answer is None else answer.origin.value)
        return answers

    def get_or_load(
        self,
        text: str,
        loader: Callable[[str], V],
        *,
        ttl: Ttl | Default = DEFAULT,
        size: int | None = None,
    ) -> Answer[V]:
        """Return the answer to a text, or to one that is similar enough; else load and store it.

        However many threads ask for the same text meanwhile, one calls the loader and the others
        wait for it.

        Parameters
        ----------
        text
            The question.
        loader
            ``loader(text)`` returns its answer.
        ttl, size
            As of `Cache.set`.

        Raises
        ------
        InputError, OutputError
            As of `get`.
        Exception
            Whatever the loader raises; in an audit, the answer at hand is returned instead.
        """
        found = self._find(text)
        if isinstance(found, Answer):
            if not self._audits(found):
                return self._counted(found)
            try:
                fresh = loader(text)
            except Exception:
                return self._counted(found)
            if self._passes(found, fresh):
                return self._counted(found)
            self._replace(text, fresh, ttl, size)
            return self._counted(_loaded(text, fresh))
        made: list[Entry[V]] = []

        def load_entry() -> Entry[V]:
            made.append(self._lookup.entry(text, loader(text), found))
            return made[0]

        key, options = self._lookup.key(text), LoadOptions(ttl=ttl, size=size)
        return self._landed(load(self._cache, key, load_entry, options), made)

    async def aget(self, text: str) -> Answer[V] | None:
        """Do what `get` does, in a coroutine; embedding and `same` run in a thread."""
        check_text(text)
        answer = self._lookup.exact(text)
        if answer is not None:
            return self._counted(answer)
        return await asyncio.to_thread(self.get, text)

    async def aget_or_load(
        self,
        text: str,
        loader: Callable[[str], Awaitable[V]],
        *,
        ttl: Ttl | Default = DEFAULT,
        size: int | None = None,
    ) -> Answer[V]:
        """Do what `get_or_load` does, in a coroutine: `loader` is awaited.

        Embedding and `same` run in a thread, so that the event loop goes on.
        """
        check_text(text)
        found: Answer[V] | Vector | None = self._lookup.exact(text)
        if found is None:
            found = await asyncio.to_thread(self._find, text)
        if isinstance(found, Answer):
            if not self._audits(found):
                return self._counted(found)
            try:
                fresh = await loader(text)
            except Exception:
                return self._counted(found)
            if self._passes(found, fresh):
                return self._counted(found)
            await asyncio.to_thread(self._replace, text, fresh, ttl, size)
            return self._counted(_loaded(text, fresh))
        made: list[Entry[V]] = []

        async def load_entry() -> Entry[V]:
            made.append(self._lookup.entry(text, await loader(text), found))
            return made[0]

        options = LoadOptions(ttl=ttl, size=size)
        return self._landed(
            await aload(self._cache, self._lookup.key(text), load_entry, options), made
        )

    def set(self, text: str, value: V, **options: Any) -> bool:
        """Store the answer to a text; return whether the cache took it.

        Parameters
        ----------
        text, value
            The question and its answer.
        **options
            ``ttl`` and ``size``, as of `Cache.set`.

        Raises
        ------
        InputError, OutputError
            As of `get`.
        """
        return self.set_many({text: value}, **options) == 1

    def set_many(self, answers: Mapping[str, V], **options: Any) -> int:
        """Do what `set` does for many texts, embedded together; return how many the cache took."""
        texts = _list_of(answers)
        if not texts:
            return 0
        taken = 0
        for (text, value), vector in zip(answers.items(), self._embedding(texts), strict=True):
            taken += self._cache.set(
                self._lookup.key(text), self._lookup.entry(text, value, vector), **options
            )
        return taken

    def delete(self, text: str) -> bool:
        """Delete the answer to this very text; return whether there was one."""
        check_text(text)
        return self._cache.delete(self._lookup.key(text))

    def clear(self) -> None:
        """Delete all answers."""
        self._cache.clear()

    def __len__(self) -> int:
        return len(self._cache)

    def __contains__(self, text: object) -> bool:
        """Tell whether there is an answer to this very text; leaves no trace in the policy."""
        return isinstance(text, str) and self._lookup.key(text) in self._cache

    def stats(self) -> SemanticStats:
        """Return what the cache has done so far."""
        audit = self._rule.audit
        with self._lock:
            counts = dict(self._counts)
        return SemanticStats(
            **counts,
            audited=audit.audited,
            false_hits=audit.false_hits,
            false_hit_bounds=audit.bounds,
            suspended=audit.suspended,
        )

    def explain(self, text: str, neighbours: int = 5) -> SemanticExplanation:
        """Tell why a question is answered by the cache or not, and leave no trace of the question.

        Parameters
        ----------
        text
            The question.
        neighbours
            How many of the most similar texts to name.

        Returns
        -------
        SemanticExplanation
            The nearest texts, and what was decided by them.
        """
        check_text(text)
        check_integer("neighbours", neighbours, least=0)
        vector = self._embedding([text])[0]
        return self._lookup.explain(self._rule, text, vector, neighbours)

    def _find(self, text: str) -> Answer[V] | Vector:
        """Return the answer, or the vector of a text that the cache has none for."""
        check_text(text)
        exact = self._lookup.exact(text)
        if exact is not None:
            return exact
        rule = self._rule
        vector: Vector = self._embedding([text])[0]
        return self._similar(rule, text, vector) or vector

    def _similar(self, rule: Rule, text: str, vector: Vector) -> Answer[V] | None:
        if not rule.applies:
            return None
        try:
            return self._lookup.similar(rule, text, vector)
        except Vetoed:
            self._count("vetoed")
            return None

    def _audits(self, answer: Answer[V]) -> bool:
        return answer.origin is Origin.SIMILAR and self._rule.audit.takes()

    def _passes(self, answer: Answer[V], fresh: V) -> bool:
        right = bool(self._equal(fresh, answer.value))
        self._rule.audit.note(right)
        return right

    def _replace(self, text: str, fresh: V, ttl: Ttl | Default, size: int | None) -> None:
        """Store what an audit loaded."""
        options: dict[str, Any] = {} if ttl is DEFAULT else {"ttl": ttl}
        self.set(text, fresh, **options, **({} if size is None else {"size": size}))

    def _landed(self, entry: Entry[V], made: list[Entry[V]]) -> Answer[V]:
        """Return a loaded answer; or exact, where another load of the same text had it first."""
        if made:
            return self._counted(_loaded(entry.text, entry.value))
        return self._counted(Answer(entry.value, Origin.EXACT, entry.text, 1.0))

    def _counted(self, answer: Answer[V]) -> Answer[V]:
        self._count("misses" if answer.origin is Origin.LOADED else answer.origin.value)
        return answer

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} texts, threshold={self.threshold}>"


def _loaded(text: str, value: V) -> Answer[V]:
    return Answer(value, Origin.LOADED, text, 1.0)


def _is_share(given: object, least: float) -> bool:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return number and least <= given <= 1.0  # type: ignore[operator]


def _list_of(texts: Iterable[str]) -> list[str]:
    listed = [texts] if isinstance(texts, str) else list(texts)
    for text in listed:
        check_text(text)
    return listed
